//! Which names tell that what follows is a secret.
//!
//! Takes names as they are written in a text, gives what is known of them. Add to the lists here.

use super::may_have_secret;
use crate::flow::Dialect;

/// A column, option, setting or key whose name has one of these in it holds a secret.
const SECRET_NAMES: &[&str] = &[
    "pass",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "accesskey",
    "account_key",
    "accountkey",
    "encryption_key",
    "private_key",
    "privatekey",
    "master_key",
    "filekey",
    "_key_management",
    "credential",
    "auth_string",
    "authentication_string",
];

/// What has one of [`SECRET_NAMES`] in it, and yet holds none.
const NOT_SECRET: &[&str] = &[
    "passed",
    "passenger",
    "passage",
    "passive",
    "bypass",
    "compass",
    "passthrough",
    "pass_through",
    "secretary",
    "tokens",
    "tokeni",
    "token_type",
    "token_count",
    "password_encryption",
    "password_expire",
    "password_changed",
    "validate_password",
];

/// A name that is this, or ends with it, holds a secret also when it is a number.
const NUMBERS_TOO: &[&str] = &["password", "passwd", "passphrase", "pwd", "pass"];

/// Longer names are none.
const NAME_MAX: usize = 128;

/// A name in lower case, without the quotes around it; empty when it is too long for a name.
pub(super) fn lower(name: &[u8]) -> String {
    let name = match name {
        [quote @ (b'"' | b'`' | b'\''), inner @ .., last] if quote == last => inner,
        _ => name,
    };
    if name.len() > NAME_MAX {
        return String::new();
    }
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// Whether what is called so is a secret. The name is in lower case.
pub(super) fn is_secret(name: &str) -> bool {
    let has = |name: &str| SECRET_NAMES.iter().any(|secret| name.contains(secret));
    // Every name of the list is among the triggers too, and those are looked for faster.
    if !may_have_secret(name.as_bytes()) || !has(name) {
        return false;
    }
    let mut rest = name.to_owned();
    for other in NOT_SECRET {
        rest = rest.replace(other, ".");
    }
    has(&rest)
}

/// Whether an option called so, in an `OPTIONS (...)`, is a secret.
pub(super) fn is_secret_option(name: &str) -> bool {
    name.contains("key") || is_secret(name)
}

/// Whether the secret called so may be a number.
pub(super) fn may_be_number(name: &str) -> bool {
    NUMBERS_TOO.iter().any(|secret| name.ends_with(secret))
}

/// What of a function's arguments is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arguments {
    /// All from this one on, counted from 0.
    From(usize),
    /// The one behind an argument that is a secret's name.
    Named,
    /// What a connection string holds.
    Connection,
}

/// What the arguments of the function `name` are; none when nothing is known of them.
pub(super) fn arguments(name: &str, dialect: Dialect) -> Option<Arguments> {
    Some(match name {
        "password"
        | "old_password"
        | "validate_password_strength"
        | "crypt"
        | "encrypt"
        | "encrypt_iv"
        | "kdf"
        | "keyring_key_store" => Arguments::From(0),
        "aes_encrypt"
        | "aes_decrypt"
        | "des_encrypt"
        | "des_decrypt"
        | "decrypt"
        | "decrypt_iv"
        | "pgp_sym_encrypt"
        | "pgp_sym_encrypt_bytea"
        | "pgp_sym_decrypt"
        | "pgp_sym_decrypt_bytea"
        | "pgp_pub_decrypt"
        | "pgp_pub_decrypt_bytea"
        | "hmac" => Arguments::From(1),
        // PostgreSQL's functions of these names take the name of an encoding.
        "encode" | "decode" if dialect == Dialect::Mysql => Arguments::From(1),
        "set_config" | "hstore" | "json_build_object" | "jsonb_build_object" | "json_object"
        | "json_set" | "json_insert" | "json_replace" | "object_construct" => Arguments::Named,
        name if name.starts_with("dblink") => Arguments::Connection,
        _ => return None,
    })
}

/// Authentication plugins, whose names may be quoted: a text of this name is no secret.
pub(super) fn is_plugin(name: &str) -> bool {
    matches!(
        name,
        "mysql_native_password"
            | "mysql_old_password"
            | "caching_sha2_password"
            | "sha256_password"
            | "ed25519"
            | "parsec"
            | "unix_socket"
            | "auth_socket"
            | "auth_pam"
            | "pam"
            | "gssapi"
            | "named_pipe"
            | "mysql_no_login"
            | "authentication_pam"
            | "authentication_ldap_simple"
            | "authentication_ldap_sasl"
            | "authentication_kerberos"
            | "authentication_webauthn"
            | "authentication_openid_connect"
    )
}

/// Words that may stand where a password was expected and are none.
pub(super) fn is_password_keyword(word: &str) -> bool {
    matches!(
        word,
        "null"
            | "random"
            | "password"
            | "old_password"
            | "encrypted"
            | "unencrypted"
            | "expire"
            | "require"
            | "history"
            | "reuse"
            | "never"
            | "interval"
            | "default"
            | "optional"
            | "current"
            | "unbounded"
            | "valid"
            | "replace"
            | "retain"
            | "as"
            | "by"
            | "with"
            | "using"
            | "to"
            | "for"
            | "in"
            | "is"
            | "not"
            | "like"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "password",
            "user_passwd",
            "pwd_hash",
            "client_secret",
            "reset_token",
            "api_key",
            "master_password",
            "bypass_token",
            "authentication_string",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "",
            "name",
            "key",
            "primary_key",
            "passed",
            "bypass",
            "token_type",
            "max_tokens",
            "password_encryption",
            "validate_password_policy",
            "secretary",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        for name in SECRET_NAMES {
            assert!(is_secret(name), "{name}");
        }
        assert!(is_secret_option("sslkey"));
        assert!(may_be_number("db_pwd") && !may_be_number("token_id"));
        assert_eq!(lower(b"\"PassWord\""), "password");
        assert_eq!(lower(&[b'a'; 200]), "");
    }
}
