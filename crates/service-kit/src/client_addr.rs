//! Who is calling: the peer's address, or the one that a trusted proxy names in `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// Addresses whose forwarding headers are believed; none by default.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl std::str::FromStr for TrustedProxies {
    type Err = String;

    /// Addresses or networks, separated by commas or spaces.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |item: &str| {
            item.parse::<IpNet>()
                .or_else(|_| item.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| "must be addresses or networks such as 10.0.0.5 or 10.0.0.0/24".to_owned())
        };
        text.split([',', ' ']).filter(|item| !item.is_empty()).map(parse).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether the peer may speak for others.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The caller: the right-most address of `X-Forwarded-For` that is not a trusted proxy, as long as
    /// every hop to its right is one. Anything malformed ends the walk at the last hop that was believed.
    #[must_use]
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<_> =
            headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
        self.client_behind(peer, &lines)
    }

    /// The same with the lines of `X-Forwarded-For`.
    #[must_use]
    pub fn client_behind(&self, peer: SocketAddr, lines: &[&str]) -> IpAddr {
        let mut client = peer.ip().to_canonical();
        let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim);
        while self.contains(client) {
            match hops.next().and_then(|hop| hop.parse::<IpAddr>().ok()) {
                Some(next) => client = next.to_canonical(),
                None => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn client(trusted: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let trusted: TrustedProxies = trusted.parse().expect("networks");
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        trusted.client(format!("{peer}:1").parse().expect("a peer"), &headers).to_string()
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        assert_eq!(client("", "1.2.3.4", &["9.9.9.9"]), "1.2.3.4");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["9.9.9.9"]), "9.9.9.9");
        assert_eq!(client("127.0.0.1, 10.0.0.0/8", "127.0.0.1", &["6.6.6.6, 9.9.9.9, 10.1.1.1"]), "9.9.9.9");
        assert_eq!(client("127.0.0.1,10.0.0.0/8", "127.0.0.1", &["9.9.9.9", "10.1.1.1"]), "9.9.9.9");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["nonsense"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn a_malformed_list_is_refused() {
        assert!("10.0.0.0/8, nonsense".parse::<TrustedProxies>().is_err());
    }
}
