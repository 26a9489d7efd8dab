//! What an account has on its first day: the role by which its organisation administers it
//! (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html>). It makes a good
//! break-glass role, so that a fresh sandbox shows the versioning lock too.

use std::io;

use super::Iam;
use super::records::{Grants, Role};
use crate::sandbox::records::fresh_id;
use crate::sandbox::store::Access;

const ROLE: &str = "OrganizationAccountAccessRole";

/// The organisation's own account, which is nowhere in the sandbox.
const MANAGEMENT: &str = "111111111111";

impl Iam {
    /// Fills a directory that never held anything.
    pub fn begin(&self) -> io::Result<()> {
        let _lock = self.directory.lock(Access::Change)?;
        if !self.directory.is_new()? {
            return Ok(());
        }
        let partition = self.account.partition;
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{MANAGEMENT}:root"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let administrator = format!("arn:{partition}:iam::aws:policy/AdministratorAccess");
        let id: String = fresh_id().chars().filter(char::is_ascii_alphanumeric).take(17).collect();
        let role = Role {
            name: ROLE.to_owned(),
            path: "/".to_owned(),
            id: format!("AROA{}", id.to_ascii_uppercase()),
            created: self.clock.now(),
            trust,
            description: None,
            longest_session: 3600,
            tags: Default::default(),
            grants: Grants { attached: [administrator].into(), ..Grants::default() },
            boundary: None,
        };
        self.directory.roles.put(ROLE, role)
    }
}
