//! The walls: what no call may do, whatever happens meanwhile.
