//! Whether a text can hold a secret at all.
//!
//! Takes any bytes, gives yes or no. Nearly every statement is a no, and this is all that it costs,
//! so two bytes are looked at a time. It must say yes wherever a rule of this module could apply.

/// What every secret has near it: at least one of these is in a text with a secret, in any case of
/// letters. Parts of words, chosen so that their first three letters are rare in ordinary SQL.
const TRIGGERS: [&[u8]; 30] = [
    b"pass",
    b"pwd",
    b"fied",          // identified
    b"cret",          // secret
    b"oken",          // token
    b"_key",          // api_key, secret_key, encryption_key ...
    b"apikey",        // in connection strings
    b"accesskey",     //
    b"accountkey",    //
    b"privatekey",    //
    b"filekey",       // file_key_management_filekey
    b"keyring",       // keyring_key_store
    b"ptions",        // OPTIONS (key '...')
    b"credential",    //
    b"_string",       // authentication_string
    b"auth_s",        // auth_string
    b"crypt",         // crypt, encrypt, aes_decrypt, pgp_sym_encrypt ...
    b"hmac",          //
    b"kdf(",          //
    b"code(",         // encode, decode
    b"bearer",        //
    b"authorization", // an HTTP header
    b"program",       // COPY ... PROGRAM
    b" -p",           // a command line
    b"alter user",    // where the word `password` may be misspelt
    b"create user",   //
    b"alter role",    //
    b"create role",   //
    b"alter group",   //
    b"://",           // a URI, see `has_user`
];

/// The place of `://` among the triggers.
const URI: u64 = 1 << (TRIGGERS.len() - 1);

/// Five bits of a byte: the same for both cases of a letter.
const fn fold(byte: u8) -> usize {
    (byte & 0x1f) as usize
}

const fn pair(first: u8, second: u8) -> usize {
    fold(first) << 5 | fold(second)
}

/// By folded pair of bytes: which triggers begin with it (low half) or have it one byte behind
/// their beginning (high half). Of any three bytes, looking at every second byte finds a pair.
static PAIRS: [u64; 1024] = {
    let mut table = [0; 1024];
    let mut index = 0;
    while index < TRIGGERS.len() {
        let trigger = TRIGGERS[index];
        table[pair(trigger[0], trigger[1])] |= 1 << index;
        table[pair(trigger[1], trigger[2])] |= 1 << (index + 32);
        index += 1;
    }
    table
};

/// Whether a secret may be in `text`.
#[must_use]
pub fn may_have_secret(text: &[u8]) -> bool {
    text.chunks_exact(2).enumerate().any(|(index, bytes)| {
        let found = PAIRS[pair(bytes[0], bytes[1])];
        found != 0 && is_trigger(text, index * 2, found)
    })
}

/// Whether one of the triggers `found` is at `at`, or one byte before it.
fn is_trigger(text: &[u8], at: usize, mut found: u64) -> bool {
    while found != 0 {
        let bit = found.trailing_zeros();
        found &= found - 1;
        let (index, back) = (bit % 32, usize::from(bit >= 32));
        let trigger = TRIGGERS[index as usize];
        let Some(from) = at.checked_sub(back) else {
            continue;
        };
        let is_here = text
            .get(from..from + trigger.len())
            .is_some_and(|bytes| bytes.eq_ignore_ascii_case(trigger));
        if is_here && (1 << index != URI || has_user(&text[from + trigger.len()..])) {
            return true;
        }
    }
    false
}

/// Whether the URI whose authority begins here may have a user, and something behind it: there is an
/// `@` before its end, or its end is not there.
fn has_user(rest: &[u8]) -> bool {
    rest.iter()
        .position(|byte| *byte == b'@' || byte.is_ascii_whitespace())
        .is_none_or(|at| rest[at] == b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_is_found_at_every_place_and_in_every_case() {
        for trigger in TRIGGERS {
            for padding in 0..4 {
                for upper in [false, true] {
                    let mut text = vec![b'.'; padding];
                    text.extend_from_slice(trigger);
                    if trigger == b"://" {
                        text.extend_from_slice(b"a:b@c");
                    }
                    if upper {
                        text.make_ascii_uppercase();
                    }
                    assert!(may_have_secret(&text), "{}", text.escape_ascii());
                    text.push(b'.');
                    assert!(may_have_secret(&text), "{}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn ordinary_statements_have_none() {
        for text in [
            "",
            "p",
            "pa",
            "pas",
            "select * from users where id = 5",
            "insert into orders (customer, amount, note) values ('zoë', 12.5, 'due on 1/2')",
            "update accounts set balance = balance - 5 where number = 'DE12'",
            "create table t (id int primary key, name varchar(10) references r (id))",
            "select 'https://example.com/a?b=c' as a, 'anna@example.com'",
        ] {
            assert!(!may_have_secret(text.as_bytes()), "{text}");
        }
    }
}
