//! Whose keys sign a call, where more than one could.

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// The standard chain, and the vault's keys where it finds nothing. A login that was found and has expired is not nothing:
/// then the hosts' keys must not be used behind the operator's back.
#[derive(Debug)]
pub struct ElseVault {
    pub chain: SharedCredentialsProvider,
    pub vault: Credentials,
}

impl ElseVault {
    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        match self.chain.provide_credentials().await {
            Err(CredentialsError::CredentialsNotLoaded(_)) => Ok(self.vault.clone()),
            Err(error) if asked_the_instance(&error) => Ok(self.vault.clone()),
            result => result,
        }
    }
}

impl ProvideCredentials for ElseVault {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// Whether the chain came to its last link, the metadata of the instance, and found nobody there. On a machine that is
/// no instance anything may answer, or nothing.
fn asked_the_instance(error: &CredentialsError) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).any(|error| error.is::<ImdsError>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain that answers as told.
    #[derive(Debug)]
    struct Chain(fn() -> Result<Credentials, CredentialsError>);

    impl ProvideCredentials for Chain {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(self.0())
        }
    }

    #[tokio::test]
    async fn the_vaults_keys_are_for_planning_only_where_nothing_else_is_found() {
        let found = |answer| async move {
            let vault = Credentials::new("VAULT", "x", None, None, "test");
            let chain = ElseVault { chain: SharedCredentialsProvider::new(Chain(answer)), vault };
            chain.provide().await.map(|found| found.access_key_id().to_owned()).ok()
        };
        let own = || Ok(Credentials::new("OWN", "x", None, None, "test"));
        assert_eq!(found(own).await.as_deref(), Some("OWN"));
        assert_eq!(found(|| Err(CredentialsError::not_loaded("nothing"))).await.as_deref(), Some("VAULT"));
        // An expired login is somebody's: their hosts' keys must not take its place.
        assert_eq!(found(|| Err(CredentialsError::provider_error("the SSO login expired"))).await, None);
    }
}
