//! Answers of those whom mechanisms ask, from anybody: each is read or refused.

/// Reads an answer of one of them, and makes targets of it.
const READERS: [fn(&[u8]); 8] = [
    crate::dns::fuzz,
    crate::http::fuzz,
    crate::consul::fuzz,
    crate::kubernetes::fuzz,
    crate::kubernetes::fuzz_kubeconfig,
    crate::docker::fuzz,
    crate::dockerswarm::fuzz,
    crate::ec2::fuzz,
];

/// Reads `body` as an answer of those whom a mechanism asks. `mechanism`: which, in turn.
pub fn read(mechanism: u8, body: &[u8]) {
    READERS[usize::from(mechanism) % READERS.len()](body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A good answer for each of [`READERS`].
    const ANSWERS: [&[u8]; READERS.len()] = [
        b"\x00\x02\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x1e\x00\x0a\x00\x01\x00\x02\x00\x50\x01a\xc0\x0c\
          \xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x1e\x00\x02\xc0\x0c",
        br#"[{"targets":["a:1"],"labels":{"x":"y"}},{"targets":[]}]"#,
        br#"[{"Node":{"Node":"n","Address":"a","Meta":{"m":"1"}},"Service":{"ID":"s","Tags":["t"],"Port":80},"Checks":[{"CheckID":"c","Status":"passing"}]}]"#,
        br#"3{"type":"ADDED","object":{"metadata":{"name":"p","namespace":"d","uid":"u","resourceVersion":"7","labels":{"a":"b"}},"spec":{"nodeName":"n","containers":[{"name":"c","ports":[{"containerPort":80,"protocol":"TCP"}]}]},"status":{"podIP":"10.0.0.1","phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}}"#,
        b"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: 'https://h'}}]\nusers: [{name: u, user: {token: t}}]\n",
        br#"[{"Id":"c","Names":["/n"],"Ports":[{"PrivatePort":80,"Type":"tcp"}],"HostConfig":{"NetworkMode":"bridge"},"NetworkSettings":{"Networks":{"bridge":{"NetworkID":"w","IPAddress":"172.17.0.2"}}}}]"#,
        br#"[{"ID":"s","Spec":{"Name":"n"},"Endpoint":{"Ports":[{"PublishedPort":80}],"VirtualIPs":[{"NetworkID":"w","Addr":"10.0.0.2/24"}]}}]"#,
        b"<r><reservationSet><item><ownerId>1</ownerId><instancesSet><item><instanceId>i</instanceId><privateIpAddress>10.0.0.3</privateIpAddress></item></instancesSet></item></reservationSet></r>",
    ];

    proptest! {
        #[test]
        fn spoilt_answers_are_read_or_refused(
            mechanism in 0..READERS.len(),
            spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
            len in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut body = ANSWERS[mechanism].to_vec();
            for (at, byte) in spoilt {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if is_cut {
                body.truncate(len.index(body.len()));
            }
            read(u8::try_from(mechanism).expect("a few"), &body);
        }
    }
}
