//! Which addresses a URL that came from a project may lead to.
//!
//! Invariant: only ordinary public addresses are open by themselves. Metadata services and link-local
//! addresses are opened by nothing but their own name, never by a wider network around them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks beyond the public ones that may be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Networks {
    loopback: bool,
    private: bool,
    named: Vec<IpNet>,
}

/// A network that is neither a word we know nor an address with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: write `loopback`, `private`, or one such as `10.1.0.0/16`")]
pub struct NetworksError(String);

/// Services that hand out credentials to whoever asks from inside a cloud.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix))
}

const fn v6(a: u16, b: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0),
        prefix,
    ))
}

/// The kinds of addresses that are not open by themselves. What comes first decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loopback,
    Private,
    LinkLocal,
    Embedded,
    Other(&'static str),
}

const CLOSED: [(IpNet, Kind); 29] = [
    (v4(127, 0, 0, 8), Kind::Loopback),
    (v4(10, 0, 0, 8), Kind::Private),
    (v4(172, 16, 0, 12), Kind::Private),
    (v4(192, 168, 0, 16), Kind::Private),
    (v4(169, 254, 0, 16), Kind::LinkLocal),
    (v4(0, 0, 0, 8), Kind::Other("unspecified")),
    (v4(100, 64, 0, 10), Kind::Other("carrier NAT")),
    (v4(192, 0, 0, 24), Kind::Other("reserved")),
    (v4(192, 0, 2, 24), Kind::Other("reserved")),
    (v4(192, 88, 99, 24), Kind::Other("reserved")),
    (v4(198, 18, 0, 15), Kind::Other("reserved")),
    (v4(198, 51, 100, 24), Kind::Other("reserved")),
    (v4(203, 0, 113, 24), Kind::Other("reserved")),
    (v4(224, 0, 0, 4), Kind::Other("multicast")),
    (v4(240, 0, 0, 4), Kind::Other("reserved")),
    (
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        Kind::Loopback,
    ),
    (
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128)),
        Kind::Other("unspecified"),
    ),
    (v6(0, 0, 8), Kind::Embedded),
    (v6(0x64, 0xff9b, 32), Kind::Embedded),
    (v6(0x2001, 0, 32), Kind::Embedded),
    (v6(0x2002, 0, 16), Kind::Embedded),
    (v6(0xfc00, 0, 7), Kind::Private),
    (v6(0xfe80, 0, 10), Kind::LinkLocal),
    (v6(0xfec0, 0, 10), Kind::Private),
    (v6(0xff00, 0, 8), Kind::Other("multicast")),
    (v6(0x100, 0, 8), Kind::Other("reserved")),
    (v6(0x2001, 0xdb8, 32), Kind::Other("reserved")),
    (v6(0x2001, 0, 23), Kind::Other("reserved")),
    (v6(0x3fff, 0, 20), Kind::Other("reserved")),
];

impl Networks {
    /// Reads the words of a plan.
    ///
    /// # Errors
    /// One of them is no network.
    pub fn parse(words: &[String]) -> Result<Self, NetworksError> {
        let mut networks = Self::default();
        for word in words {
            match word.trim() {
                "loopback" => networks.loopback = true,
                "private" => networks.private = true,
                text => {
                    let named = text
                        .parse::<IpNet>()
                        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                        .map_err(|_| NetworksError(word.clone()))?;
                    networks.named.push(named.trunc());
                }
            }
        }
        Ok(networks)
    }

    /// What kind of address it is, if that kind may not be reached.
    #[must_use]
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        if METADATA.contains(&address) {
            let alone = IpNet::from(address);
            return (!self.named.contains(&alone)).then_some("cloud metadata");
        }
        match kind(address)? {
            Kind::Loopback => {
                (!self.loopback && !self.names(address)).then_some("this machine (loopback)")
            }
            Kind::Private => (!self.private && !self.names(address)).then_some("private"),
            Kind::LinkLocal => (!self.names_within_link_local(address)).then_some("link-local"),
            Kind::Embedded if self.names(address) => {
                embedded(address).and_then(|inner| self.refusal(IpAddr::V4(inner)))
            }
            Kind::Embedded => Some("IPv4 inside IPv6"),
            Kind::Other(what) => (!self.names(address)).then_some(what),
        }
    }

    fn names(&self, address: IpAddr) -> bool {
        self.named.iter().any(|net| net.contains(&address))
    }

    fn names_within_link_local(&self, address: IpAddr) -> bool {
        let is_within = |net: &&IpNet| kind(net.network()) == Some(Kind::LinkLocal);
        let narrow = |net: &&IpNet| match net {
            IpNet::V4(net) => net.prefix_len() >= 16,
            IpNet::V6(net) => net.prefix_len() >= 10,
        };
        self.named
            .iter()
            .filter(is_within)
            .filter(narrow)
            .any(|net| net.contains(&address))
    }
}

/// The kind of an address that is not an ordinary public one.
fn kind(address: IpAddr) -> Option<Kind> {
    if let IpAddr::V6(v6) = address {
        // ISATAP carries an IPv4 address in the lower half of any prefix.
        if matches!(v6.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]) {
            return Some(Kind::Embedded);
        }
    }
    let closed = CLOSED
        .iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, kind)| *kind);
    match address {
        IpAddr::V6(v6) if closed.is_none() && v6.segments()[0] & 0xe000 != 0x2000 => {
            Some(Kind::Other("reserved"))
        }
        _ => closed,
    }
}

/// The IPv4 address inside an IPv6 one, where the rules of its kind say.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else {
        return None;
    };
    let octets = v6.octets();
    let at = |from: usize| {
        Ipv4Addr::new(
            octets[from],
            octets[from + 1],
            octets[from + 2],
            octets[from + 3],
        )
    };
    match v6.segments() {
        [0x2002, ..] => Some(at(2)),
        // Teredo stores the client's address inverted.
        [0x2001, 0, ..] => Some(Ipv4Addr::from(!u32::from(at(12)))),
        _ => Some(at(12)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(words: &[&str]) -> Networks {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Networks::parse(&words).unwrap()
    }

    fn refused(words: &[&str], address: &str) -> Option<&'static str> {
        networks(words).refusal(address.parse().unwrap())
    }

    #[test]
    fn ordinary_public_addresses_are_open() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
        ] {
            assert_eq!(refused(&[], address), None, "{address}");
        }
    }

    #[test]
    fn everything_that_is_not_public_is_refused_and_named() {
        for (address, what) in [
            ("127.0.0.1", "this machine (loopback)"),
            ("127.9.9.9", "this machine (loopback)"),
            ("::1", "this machine (loopback)"),
            ("10.0.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fec0::1", "private"),
            ("169.254.1.1", "link-local"),
            ("fe80::1", "link-local"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("::", "unspecified"),
            ("100.64.0.1", "carrier NAT"),
            ("100.127.255.254", "carrier NAT"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "reserved"),
            ("198.18.0.1", "reserved"),
            ("203.0.113.7", "reserved"),
            ("2001:db8::1", "reserved"),
            ("5f00::1", "reserved"),
            ("169.254.169.254", "cloud metadata"),
            ("169.254.170.2", "cloud metadata"),
            ("100.100.100.200", "cloud metadata"),
            ("168.63.129.16", "cloud metadata"),
            ("fd00:ec2::254", "cloud metadata"),
            ("::ffff:127.0.0.1", "IPv4 inside IPv6"),
            ("::ffff:1.1.1.1", "IPv4 inside IPv6"),
            ("::127.0.0.1", "IPv4 inside IPv6"),
            ("2002:7f00:1::", "IPv4 inside IPv6"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "IPv4 inside IPv6"),
            ("64:ff9b::7f00:1", "IPv4 inside IPv6"),
            ("64:ff9b:1::a00:1", "IPv4 inside IPv6"),
            ("2606:4700::5efe:7f00:1", "IPv4 inside IPv6"),
        ] {
            assert_eq!(refused(&[], address), Some(what), "{address}");
        }
    }

    #[test]
    fn a_plan_opens_what_it_names_and_nothing_beside_it() {
        assert_eq!(refused(&["loopback"], "127.0.0.1"), None);
        assert_eq!(refused(&["loopback"], "::1"), None);
        assert!(refused(&["loopback"], "10.0.0.1").is_some());
        assert_eq!(refused(&["private"], "192.168.1.1"), None);
        assert!(refused(&["private"], "127.0.0.1").is_some());
        assert_eq!(refused(&["10.1.0.0/16"], "10.1.2.3"), None);
        assert!(refused(&["10.1.0.0/16"], "10.2.0.1").is_some());
    }

    #[test]
    fn metadata_and_link_local_are_opened_by_their_own_name_only() {
        let wide = ["loopback", "private", "0.0.0.0/0", "::/0"];
        for address in [
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "fe80::1",
            "fd00:ec2::254",
        ] {
            assert!(refused(&wide, address).is_some(), "{address}");
        }
        assert!(refused(&["169.254.0.0/16"], "169.254.169.254").is_some());
        assert_eq!(refused(&["169.254.0.0/16"], "169.254.1.1"), None);
        assert_eq!(refused(&["169.254.169.254"], "169.254.169.254"), None);
        assert_eq!(refused(&["fe80::/10"], "fe80::1"), None);
    }

    #[test]
    fn an_opened_translation_prefix_still_minds_the_address_inside() {
        let nat64 = ["64:ff9b::/96"];
        assert_eq!(refused(&nat64, "64:ff9b::101:101"), None);
        assert_eq!(
            refused(&nat64, "64:ff9b::7f00:1"),
            Some("this machine (loopback)")
        );
        assert_eq!(refused(&["2002::/16"], "2002:a00:1::"), Some("private"));
    }

    #[test]
    fn a_word_that_is_no_network_is_named() {
        let error = Networks::parse(&["lan".into()]).unwrap_err();
        assert!(error.to_string().contains("`lan`"), "{error}");
    }
}
