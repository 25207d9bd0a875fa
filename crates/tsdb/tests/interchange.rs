//! Blocks that Debian's `promtool` wrote are read here, and blocks written here are read by it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use block::{Block, Interval, Meta, Tombstones, Ulid};
use model::{MatchType, Matcher};
use stdx::SystemDirectory;
use storage::Querier;
use storage::merge::MergeQuerier;
use tempfile::TempDir;
use tsdb::{analyze, compact, dump, list, retention};

const T: i64 = 1_700_000_000;

/// A folder with blocks that promtool wrote, and promtool.
struct Peer {
    promtool: PathBuf,
    folder: TempDir,
}

impl Peer {
    /// Writes three series over six hours, with gaps, odd values and odd label values. `None` without
    /// promtool.
    fn new() -> Option<Self> {
        let promtool = testkit::peer("promtool")?;
        let folder = tempfile::tempdir().unwrap();
        let it = Self { promtool, folder };
        std::fs::write(it.folder.path().join("in.om"), input()).unwrap();
        it.run(&["create-blocks-from", "openmetrics", "in.om", "data"]);
        // promtool wants a log beside the blocks.
        std::fs::create_dir(it.data().join("wal")).unwrap();
        Some(it)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn dir(&self) -> SystemDirectory {
        SystemDirectory::new(self.data())
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.promtool);
        let output =
            command.arg("tsdb").args(args).current_dir(self.folder.path()).output().unwrap();
        let (text, errors) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "promtool {args:?}: {errors}");
        String::from_utf8(text).unwrap()
    }

    fn blocks(&self) -> Vec<Arc<Block>> {
        let open =
            |it: &Ulid| Arc::new(Block::open(&self.dir(), Path::new(&it.to_string())).unwrap());
        let mut all: Vec<_> =
            retention::block_names(&self.dir()).unwrap().iter().map(open).collect();
        all.sort_by_key(|it| it.meta().mint);
        all
    }

    fn our_dump(&self, selectors: &[Vec<Matcher>]) -> String {
        let open = |it: &Arc<Block>| Box::new(it.querier(i64::MIN, i64::MAX)) as Box<dyn Querier>;
        let querier = MergeQuerier::new(self.blocks().iter().map(open).collect());
        let mut out = Vec::new();
        dump::dump(&querier, i64::MIN, i64::MAX, selectors, dump::Format::Text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

fn input() -> String {
    let mut out = String::new();
    let values = [
        "0",
        "1",
        "-0.5",
        "1e+21",
        "NaN",
        "+Inf",
        "-Inf",
        "123456789",
        "0.1",
        "1000000",
        "3.0000000000000004",
    ];
    for (series, labels) in
        [r#"a="x",b="é\"\\\n""#, r#"a="y""#, r#"a="z",c="1""#].iter().enumerate()
    {
        for i in 0..1440 {
            // The second series has a gap of an hour; the third ends early.
            if series == 1 && (480..720).contains(&i) || series == 2 && 300 < i {
                continue;
            }
            let value = if series == 0 {
                values[i % values.len()].to_owned()
            } else {
                format!("{}", i * i / 7)
            };
            let at = T + i64::try_from(i).unwrap() * 15;
            writeln!(out, "m{{{labels}}} {value} {at}").unwrap();
        }
    }
    out + "# EOF\n"
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn every() -> Vec<Vec<Matcher>> {
    vec![vec![Matcher::new(MatchType::Regexp, "__name__", "(?s:.*)").unwrap()]]
}

#[test]
fn reads_what_promtool_wrote() {
    let Some(peer) = Peer::new() else { return };
    let blocks = peer.blocks();
    assert_eq!(list::list(blocks.iter().map(Arc::as_ref), false), peer.run(&["list", "data"]));
    assert_eq!(list::list(blocks.iter().map(Arc::as_ref), true), peer.run(&["list", "-r", "data"]));
    let (ours, theirs) = (peer.our_dump(&every()), peer.run(&["dump", "data"]));
    assert_eq!(sorted(&ours), sorted(&theirs));
    assert_eq!(ours.lines().count(), 1440 + 1200 + 301);

    let one = vec![vec![Matcher::equal("a", "y")]];
    assert_eq!(
        sorted(&peer.our_dump(&one)),
        sorted(&peer.run(&["dump", "--match={a='y'}", "data"]))
    );

    for block in &blocks {
        let ulid = block.meta().ulid.to_string();
        let ours = analyze::analyze(block, &[], 100, false).unwrap();
        // The peer's version calls the total by its old name, and orders equal counts by chance.
        let theirs = peer
            .run(&["analyze", "--limit=100", "data", &ulid])
            .replace("\nSeries: ", "\nTotal Series: ");
        assert_eq!(sorted(&ours), sorted(&theirs));
    }
}

#[test]
fn promtool_reads_what_we_merged() {
    let Some(peer) = Peer::new() else { return };
    let before = peer.run(&["dump", "data"]);
    let parents = peer.blocks();
    assert!(2 < parents.len());
    let dir = peer.dir();
    let metas: Vec<&Meta> = parents.iter().map(|it| it.meta()).collect();
    let merged = compact::compact(&dir, Ulid::new(T, 1), 1 << 20, &metas).unwrap().unwrap();
    for it in &metas {
        retention::delete_block(&dir, it.ulid).unwrap();
    }
    assert_eq!(sorted(&peer.run(&["dump", "data"])), sorted(&before));
    assert_eq!(
        list::list(peer.blocks().iter().map(Arc::as_ref), false),
        peer.run(&["list", "data"])
    );
    let ulid = merged.ulid.to_string();
    let theirs = peer
        .run(&["analyze", "--limit=100", "data", &ulid])
        .replace("\nSeries: ", "\nTotal Series: ");
    assert_eq!(
        sorted(&analyze::analyze(&peer.blocks()[0], &[], 100, false).unwrap()),
        sorted(&theirs)
    );

    // What is deleted vanishes for both, in the tombstones first, then in the chunks.
    let path = PathBuf::from(&ulid);
    let mut deleted = Tombstones::default();
    let numbers = peer.blocks()[0].series_matching(&[Matcher::equal("a", "x")]).unwrap();
    deleted.add(numbers[0].into(), Interval { mint: 0, maxt: (T + 600) * 1000 });
    deleted.write(&dir, &path).unwrap();
    let left = peer.run(&["dump", "data"]);
    assert_eq!(left.lines().count(), before.lines().count() - 41);
    assert_eq!(sorted(&peer.our_dump(&every())), sorted(&left));
    compact::compact(&dir, Ulid::new(T, 2), 1 << 20, &[&merged]).unwrap().unwrap();
    retention::delete_block(&dir, merged.ulid).unwrap();
    assert_eq!(sorted(&peer.run(&["dump", "data"])), sorted(&left));
}
