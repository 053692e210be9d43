//! Slips in markers: whether letters are a marker but for one of them. Compares; what stands around them decides
//! elsewhere whether they are one.

/// How letters compare to a marker, whitespace aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// They are the marker, or one letter was left out, put in or changed.
    Whole,
    /// More letters may make them so.
    Begun,
    Unlike,
}

/// Compares `text` to a marker. The first letter in which the two differ is the one.
pub(super) fn likeness(text: &str, marker: &str) -> Likeness {
    let (text, marker) = (letters(text), letters(marker));
    let same = text.iter().zip(&marker).take_while(|(a, b)| a == b).count();
    let behind = |letters: &'_ [char], at: usize| letters.get(at..).unwrap_or_default().to_vec();
    let (put_in, left_out) = (behind(&text, same + 1), behind(&marker, same + 1));
    let ways = [(&put_in, &left_out), (&put_in, &behind(&marker, same)), (&behind(&text, same), &left_out)];
    if ways.iter().any(|(text, marker)| text == marker) {
        Likeness::Whole
    } else if same == text.len() || ways.iter().any(|(text, marker)| marker.starts_with(text)) {
        Likeness::Begun
    } else {
        Likeness::Unlike
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_makes_no_other_marker() {
        for whole in
            ["</call>", "/call>", "</cal>", "</call", "<//call>", "</call>}", "</caLl>", "< /call>\n", "</call}"]
        {
            assert_eq!(likeness(whole, "</call>"), Likeness::Whole, "{whole}");
        }
        for begun in ["", "<", "/", "<c", "x</", "</x", "</cal", "<call", "</cxa", "</cll"] {
            assert_eq!(likeness(begun, "</call>"), Likeness::Begun, "{begun}");
        }
        for unlike in ["xy", "<xy", "</cxy", "</call>>>", "</CAll>", "call>", "<call>x"] {
            assert_eq!(likeness(unlike, "</call>"), Likeness::Unlike, "{unlike}");
        }
    }
}
