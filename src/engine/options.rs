#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName {
    pub asked: &'static str,
    pub sent: &'static str,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    Named { options: &'static [OptionName], template_arguments: Option<&'static str> },
    AsWritten,
}
pub(super) const NONE: Options = Options::Named { options: &[], template_arguments: None };
