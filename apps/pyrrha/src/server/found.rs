//! From discovery to scraping.

use std::sync::Arc;
use std::time::Duration;

use discovery::TargetSets;
use model::TargetGroup;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Hands what was found for each job to `update`, until discovery ends. `pause`: the least time between two times.
pub(super) async fn hand_on(
    mut found: watch::Receiver<Arc<TargetSets>>,
    pause: Duration,
    update: impl Fn(&str, &[Arc<TargetGroup>]),
) {
    let mut due = Instant::now();
    while found.changed().await.is_ok() {
        // What comes meanwhile comes along; when discovery ends there is nothing to wait for.
        let mut later = found.clone();
        let ended = async { while later.changed().await.is_ok() {} };
        _ = timeout_at(due, ended).await;
        let sets = Arc::clone(&found.borrow_and_update());
        sets.iter().for_each(|(job, groups)| update(job, groups));
        due = Instant::now() + pause;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What is handed on of sets that come at these times, each with one group more than the one before.
    async fn handed_on(pause_s: u64, times_s: &[u64]) -> String {
        let (sender, found) = watch::channel(Arc::default());
        let (start, out) = (Instant::now(), Arc::new(Mutex::new(String::new())));
        let seen = Arc::clone(&out);
        let update = move |job: &str, groups: &[Arc<TargetGroup>]| {
            let text = format!("{job}{}@{} ", groups.len(), start.elapsed().as_secs());
            seen.lock().expect("whole").push_str(&text);
        };
        let task = tokio::spawn(hand_on(found, Duration::from_secs(pause_s), update));
        for (at, time_s) in times_s.iter().enumerate() {
            tokio::time::sleep_until(start + Duration::from_secs(*time_s)).await;
            let group = Arc::new(TargetGroup {
                source: String::new(),
                targets: Vec::new(),
                labels: model::Labels::empty(),
            });
            sender.send_replace(Arc::new(TargetSets::from([("j".to_owned(), vec![group; at])])));
        }
        drop(sender);
        task.await.expect("no panic");
        let out = out.lock().expect("whole").clone();
        out.trim_end().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_between_two_times() {
        assert_eq!(handed_on(0, &[0, 1, 2]).await, "j0@0 j1@1 j2@2");
        assert_eq!(handed_on(5, &[0, 1, 3, 7, 20]).await, "j0@0 j2@5 j3@10 j4@20");
        assert_eq!(handed_on(5, &[0, 1]).await, "j0@0 j1@1", "the end does not wait");
    }
}
