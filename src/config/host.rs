//! What a text that should be a host name or address means: whether it is one, and whether it is this machine.

use url::{Host, Url};

/// Whether the address names a host in the signs that host names have.
pub(super) fn is_host(url: &Url) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match url.host() {
        Some(Host::Domain(name)) => name.len() <= 253 && name.bytes().all(is_sign),
        other => other.is_some(),
    }
}

/// Whether what is sent there does not leave this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether it does not leave the machine, or goes to the service beside it that tells it who it is: AWS reaches those of instances and
/// containers by addresses that no network routes, and without TLS.
pub fn is_near(url: &Url) -> bool {
    let is_beside = match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => {
            matches!(address.segments(), [0xfd00, 0x0ec2, ..]) || address.is_unicast_link_local()
        }
        _ => false,
    };
    is_beside || is_loopback(url)
}
