//! Cuts of a stream: what is made of one hangs on no place where it may be cut.

/// Fails where something else is made of the pieces than of the whole: of two, whatever the cut, and of single bytes.
pub fn check_cuts<T: PartialEq>(bytes: &[u8], made_of: impl Fn(&[&[u8]]) -> Result<T, String>) -> Result<(), String> {
    let whole = made_of(&[bytes])?;
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let ways = (1..bytes.len()).map(|cut| [&bytes[..cut], &bytes[cut..]].to_vec()).chain([single]);
    for way in ways {
        if made_of(&way)? != whole {
            return Err(format!("cut in {} it is another, from {}", way.len(), way[0].len()));
        }
    }
    Ok(())
}
