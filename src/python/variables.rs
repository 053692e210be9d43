//! Variables: what names stand for that literals were assigned to, and how much of that may be copied.
//! A use of a short name is a copy of a long value: without a bound a few letters would be gigabytes.

use std::collections::HashMap;

use super::Value;

/// What all variables of a text may take and add to its values, in bytes about.
const BYTES_MAX: usize = 1 << 20;

/// Names with their values.
#[derive(Debug)]
pub struct Variables {
    values: HashMap<String, (Value, Size)>,
    bytes_left: usize,
}

/// How large a value is: bytes about, and levels.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: usize,
    depth: usize,
}

impl Default for Variables {
    fn default() -> Self {
        Self { values: HashMap::new(), bytes_left: BYTES_MAX }
    }
}

impl Variables {
    /// A name stands for a value from here on, or for nothing known where that is too much.
    pub fn assign(&mut self, name: String, value: Value) {
        let size = size(&value);
        self.values.remove(&name);
        if let Some(left) = self.bytes_left.checked_sub(name.len() + size.bytes) {
            self.bytes_left = left;
            self.values.insert(name, (value, size));
        }
    }

    /// A name stands for nothing known.
    pub fn forget(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// So do all. What they took is not given back.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A name's value. `None` where it has none, is deeper than that, or too much was copied.
    pub(super) fn copy(&mut self, name: &str, depth_max: usize) -> Option<Value> {
        let (value, size) = self.values.get(name).filter(|(_, size)| size.depth <= depth_max)?;
        self.bytes_left = self.bytes_left.checked_sub(size.bytes)?;
        Some(value.clone())
    }
}

/// The size of a value, which is as deep as its reader lets it be.
fn size(value: &Value) -> Size {
    let inside = |sum: Size, key: &str, value: &Value| {
        let Size { bytes, depth } = size(value);
        Size { bytes: sum.bytes + key.len() + bytes, depth: sum.depth.max(depth + 1) }
    };
    let own = |bytes: usize| Size { bytes: size_of::<Value>() + bytes, depth: 0 };
    match value {
        Value::None | Value::Bool(_) => own(0),
        Value::Number(text) | Value::Text(text) => own(text.len()),
        Value::Member { class, name } => own(class.len() + name.len()),
        Value::List(values) => values.iter().fold(own(0), |sum, value| inside(sum, "", value)),
        Value::Dict(members) | Value::Model { fields: members, .. } => {
            members.iter().fold(own(0), |sum, (key, value)| inside(sum, key, value))
        }
    }
}
