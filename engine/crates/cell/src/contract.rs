//! What `signal_receptor!` makes: a contract; and what `export!` makes of a cell: a plugin.
use crate::{Cx, Load, LoadError, Passes, calls::Served, params::DecodeParams};
use cell_abi::ports::Text;

/// Everything a cell declares. Made by [`crate::signal_receptor!`], which also makes a typed constant for each
/// port (`bloom_v1::SCENE_COLOR`).
pub trait Contract: Sized + 'static {
    /// The parameters, as the scene gives them.
    type Params: DecodeParams;
    /// The name with its version, `bloom_v1`.
    const NAME: &'static str;
    /// The names of the ports, in the order of their indices. At most 64.
    const PORTS: &'static [&'static str];
    /// The lines of the port table that follow the rate.
    #[doc(hidden)]
    const TEXT: &'static [Text];
    /// What others rely on of it: the text that its lock keeps.
    #[doc(hidden)]
    const INTERFACE: &'static [Text];
}

/// Where a shader finds a port: the entries of a port group's `LAYOUT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The port's name, and the variable's in the shader.
    pub name: &'static str,
    /// The bind group: 1, or 2 for sealed ports.
    pub group: u32,
    /// The binding: the port's index.
    pub binding: u32,
}

/// A cell as the entries see it. Made by [`crate::export!`].
pub trait Plugin: Default + Send + 'static {
    /// What it declares.
    type Contract: Contract;
    /// What it serves.
    #[doc(hidden)]
    const ROUTES: &'static [Served<Self>];
    /// Reads assets and seals resources.
    ///
    /// # Errors
    /// [`LoadError`], as the author made it.
    fn load(&mut self, cx: &mut Load<'_, Self::Contract>) -> Result<(), LoadError>;
    /// One tick.
    fn tick(&mut self, cx: &mut Cx<'_, Self::Contract>);
    /// Lists the passes.
    fn passes(&self, p: &mut Passes<'_, Self::Contract>);
}
