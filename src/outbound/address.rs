//! Which network addresses may be reached. Pure.
//!
//! An IPv4 address is public unless it is in a block that IANA reserves; an IPv6 address is public only if it is global
//! unicast and in no such block, or if it stands for a public IPv4 address behind NAT64. All other forms that hide an
//! IPv4 address in an IPv6 one (mapped, compatible, 6to4, Teredo) are refused, whatever they hide: no server that means
//! to be found is published under them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::Mode;

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// IANA IPv4 Special-Purpose Address Registry, what is not globally reachable; and multicast.
const RESERVED_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),       // this network (RFC 791)
    v4(10, 0, 0, 0, 8),      // private (RFC 1918)
    v4(100, 64, 0, 0, 10),   // shared, carrier-grade NAT (RFC 6598)
    v4(127, 0, 0, 0, 8),     // loopback (RFC 1122)
    v4(169, 254, 0, 0, 16),  // link-local, cloud metadata (RFC 3927)
    v4(172, 16, 0, 0, 12),   // private (RFC 1918)
    v4(192, 0, 0, 0, 24),    // protocol assignments (RFC 6890)
    v4(192, 0, 2, 0, 24),    // documentation (RFC 5737)
    v4(192, 88, 99, 0, 24),  // 6to4 relays (RFC 7526)
    v4(192, 168, 0, 0, 16),  // private (RFC 1918)
    v4(198, 18, 0, 0, 15),   // benchmarks (RFC 2544)
    v4(198, 51, 100, 0, 24), // documentation (RFC 5737)
    v4(203, 0, 113, 0, 24),  // documentation (RFC 5737)
    v4(224, 0, 0, 0, 4),     // multicast (RFC 5771)
    v4(240, 0, 0, 0, 4),     // reserved (RFC 1112)
    v4(255, 255, 255, 255, 32),
];

/// Global unicast (RFC 4291 §2.4, as far as IANA has handed it out). Loopback, unspecified, mapped, compatible, unique
/// local, link-local, site-local and multicast addresses all lie outside.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// IANA IPv6 Special-Purpose Address Registry, what lies within [`GLOBAL_V6`].
const RESERVED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments, Teredo among them (RFC 2928, RFC 4380)
    v6(0x2001, 0xdb8, 32), // documentation (RFC 3849)
    v6(0x2002, 0, 16),     // 6to4 (RFC 3056)
    v6(0x3fff, 0, 20),     // documentation (RFC 9637)
];

/// The well-known prefix of NAT64 (RFC 6052 §2.1): the way to IPv4 on networks that have none.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

/// Whether this address belongs to the public Internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !RESERVED_V4.iter().any(|reserved| reserved.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    GLOBAL_V6.contains(&address) && !RESERVED_V6.iter().any(|reserved| reserved.contains(&address))
}

/// What this provider may reach: the public Internet, the networks of `outbound.allow`, and in development loopback.
#[derive(Clone, Debug)]
pub struct Reach {
    allow: Vec<IpNet>,
    mode: Mode,
}

impl Reach {
    /// The reach of a provider that was started in this mode.
    pub fn new(allow: Vec<IpNet>, mode: Mode) -> Self {
        Self { allow, mode }
    }

    /// Whether a connection to this address may be opened.
    pub fn permits(&self, address: IpAddr) -> bool {
        is_public(address)
            || self.allow.iter().any(|network| network.contains(&address))
            || (self.permits_loopback() && address.is_loopback())
    }

    /// Whether loopback may be reached, without TLS too.
    pub fn permits_loopback(&self) -> bool {
        match self.mode {
            Mode::Development => true,
            Mode::Production => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450:4001:82a::200e",
            "3ffe:ffff::1",
            "3fff:1000::1",
            "64:ff9b::8.8.8.8",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(ip(address)), "{address}");
        }
    }

    #[test]
    fn every_other_address_is_refused() {
        for address in [
            // this network, private, shared, loopback, link-local
            "0.0.0.0",
            "0.0.0.1",
            "0.255.255.255",
            "10.0.0.0",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.0.0.2",
            "127.255.255.255",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.17.0.1",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.1.1",
            "192.168.255.255",
            // assignments, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast
            "192.0.0.0",
            "192.0.0.170",
            "192.0.0.255",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.254",
            "255.255.255.255",
            // unspecified, loopback, link-local, site-local, unique local, multicast
            "::",
            "::1",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fdff:ffff::1",
            "ff02::1",
            "ff0e::1",
            // documentation, benchmarks, ORCHID, discard-only, segment routing, local NAT64, not handed out
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "100::1",
            "5f00::1",
            "64:ff9b:1::808:808",
            "4000::1",
            "1fff::1",
            // mapped, compatible, translated, NAT64, 6to4, Teredo: of private addresses
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::10.0.0.1",
            "::a9fe:a9fe",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::0.0.0.0",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "2001::f5ff:fffe",
            // and of public ones
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "2002:808:808::1",
            "2001:0:808:808::f7f7:f7f7",
        ] {
            assert!(!is_public(ip(address)), "{address}");
        }
    }

    #[test]
    fn development_reaches_loopback_and_nothing_else() {
        let development = Reach::new(Vec::new(), Mode::Development);
        let production = Reach::new(Vec::new(), Mode::Production);
        for address in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(development.permits(ip(address)) && !production.permits(ip(address)));
        }
        for address in
            ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd00::1"]
        {
            assert!(!development.permits(ip(address)) && !production.permits(ip(address)), "{address}");
        }
    }

    #[test]
    fn allowed_networks_are_reached_as_written() {
        let reach = Reach::new(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()], Mode::Production);
        for address in ["10.1.2.3", "fd12::1", "8.8.8.8"] {
            assert!(reach.permits(ip(address)), "{address}");
        }
        for address in ["10.2.0.1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fc00::1", "127.0.0.1"] {
            assert!(!reach.permits(ip(address)), "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_embedded_address_is_never_more_public_than_itself(bits: u32, low: u64) {
            let hidden = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = hidden.octets().map(u16::from);
            let (high, rest) = (a << 8 | b, c << 8 | d);
            let public = is_public(hidden.into());

            prop_assert!(!is_public(hidden.to_ipv6_mapped().into()));
            prop_assert!(!is_public(Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, rest).into()));
            prop_assert_eq!(is_public(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, rest).into()), public);
            let low = u128::from(low);
            let six_to_four = 0x2002_u128 << 112 | u128::from(bits) << 80 | low;
            prop_assert!(!is_public(Ipv6Addr::from_bits(six_to_four).into()));
            let teredo = 0x2001_0000_u128 << 96 | low << 32 | u128::from(!bits);
            prop_assert!(!is_public(Ipv6Addr::from_bits(teredo).into()));
        }

        #[test]
        fn public_agrees_with_the_standard_library(v4_bits: u32, v6_bits: u128) {
            let v4 = Ipv4Addr::from_bits(v4_bits);
            let refused = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(refused && is_public(v4.into())), "{}", v4);
            let v6 = Ipv6Addr::from_bits(v6_bits);
            let refused = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local()
                || v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some();
            prop_assert!(!(refused && is_public(v6.into())), "{}", v6);
        }
    }
}
