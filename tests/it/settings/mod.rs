//! Settings: environments as they are in reality, mistakes as people make them, vaults, inventories.

mod environments;
