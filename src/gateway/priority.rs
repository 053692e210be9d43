//! Request priority: how urgent a request is, as its client says in RFC 9218's `Priority`.
//! Orders nothing; the pool's queue does.

use pingora::http::RequestHeader;

use crate::config::Queue;

/// The urgency in the header of this name: `u=0` goes first, `u=7` last. What is not an urgency is as good as nothing:
/// no request fails by it.
pub fn priority(request: &RequestHeader, header: &str) -> u8 {
    let fields = request.headers.get_all(header).iter();
    let members = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    // Of members with one key the last counts (RFC 9651, section 3.2).
    let urgency = members.filter_map(|member| member.trim_ascii().strip_prefix(b"u=")).next_back();
    match urgency.and_then(|value| value.split(|byte| *byte == b';').next()).map(<[u8]>::trim_ascii_end) {
        Some([digit @ b'0'..=b'7']) => digit - b'0',
        _ => Queue::PRIORITY_DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_urgency_is_a_number_from_0_to_7() {
        let table: [(&[&str], u8); 13] = [
            (&["u=0"], 0),
            (&["u=7"], 7),
            (&["i, u=1"], 1),
            (&[" u=2 ; x=1,i"], 2),
            (&["u=1", "u=5"], 5),
            (&["u=1, u=9"], 3),
            (&["u=8"], 3),
            (&["u=-1"], 3),
            (&["u=11"], 3),
            (&["u"], 3),
            (&["U=1"], 3),
            (&["\u{e9}, ,"], 3),
            (&[], 3),
        ];
        for (values, expected) in table {
            let mut request = RequestHeader::build("POST", b"/", None).unwrap();
            for value in values {
                request.append_header("Priority", *value).unwrap();
            }
            assert_eq!(priority(&request, "priority"), expected, "{values:?}");
        }
    }
}
