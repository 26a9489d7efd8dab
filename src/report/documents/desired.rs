//! What should be: `reconcile.desired/1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json};

pub const FORMAT: &str = "reconcile.desired/1";

/// The resources that the settings ask for, without a look at reality
#[derive(Debug, Serialize, JsonSchema)]
pub struct Desired {
    pub format: &'static str,
    pub resources: Vec<Resource>,
}

/// One of them
#[derive(Debug, Serialize, JsonSchema)]
pub struct Resource {
    /// KIND/NAME, or KIND/HOST/NAME
    pub id: String,
    pub kind: &'static str,
    /// Its fields, as plans name them; a field that is left alone is absent, a secret is "(secret)"
    pub spec: Map<String, Json>,
}
