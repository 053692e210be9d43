//! Any bytes as an event stream: the events and the rest are the input, and cuts agree.

use bytes::Bytes;
use toolgate::sse::Decoder;

/// The first byte is the limit on an event, the second the size of the pieces.
pub fn holds(data: &[u8]) {
    let Some((&[limit, size], input)) = data.split_first_chunk() else { return };
    let limit = if limit == 0 { usize::MAX } else { usize::from(limit) };
    let whole = read([input], limit);
    assert_eq!(whole.concat(), input, "the pieces are the input");
    // Of an event over the limit only the bytes count: where reading stops depends on how they come.
    let mut pieces = read(input.chunks(usize::from(size).max(1)), limit);
    assert_eq!(pieces.concat(), input, "in pieces of {size}");
    if limit == usize::MAX {
        late_line_feeds(&mut pieces);
        assert_eq!(pieces, whole, "in pieces of {size}");
    }
}

/// A line feed behind a carriage return that ended an event may stand in front of the next when it comes later: moves
/// it to its own.
fn late_line_feeds(events: &mut [Vec<u8>]) {
    for next in 1..events.len() {
        if events[next - 1].ends_with(b"\r") && events[next].starts_with(b"\n") {
            events[next].remove(0);
            events[next - 1].push(b'\n');
        }
    }
}

/// The raw events, and what came after the last.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    let mut pieces = pieces.into_iter();
    'pieces: for piece in &mut pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => {
                    assert!(event.raw.len() <= limit);
                    if let Some(data) = event.data() {
                        assert!(!data.contains(&b'\n'), "data is one line: {event:?}");
                    }
                    events.push(event.raw.to_vec());
                }
                Ok(None) => break,
                Err(_) => break 'pieces,
            }
        }
    }
    let rest = [decoder.finish().as_ref(), &pieces.collect::<Vec<_>>().concat()].concat();
    events.push(rest);
    events
}
