//! `MoMail`'s user ids: `user_` and the account's UUID in base 62.

use uuid::Uuid;

use crate::model::id::AccountId;

const PREFIX: &str = "user_";
/// In ASCII order, so that ids sort like the UUIDs in them.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^21 < 2^128 < 62^22.
const WIDTH: usize = 22;

/// The user id of an account, always 27 characters.
#[must_use]
pub fn encode(account: AccountId) -> String {
    let mut rest = account.uuid().as_u128();
    let mut digits = [char::from(DIGITS[0]); WIDTH];
    for digit in digits.iter_mut().rev() {
        *digit = usize::try_from(rest % 62)
            .ok()
            .and_then(|index| DIGITS.get(index))
            .map_or('0', |byte| char::from(*byte));
        rest /= 62;
    }
    PREFIX.chars().chain(digits).collect()
}

/// The account of a user id; `None` for any text that [`encode`] does not make.
#[must_use]
pub fn decode(user_id: &str) -> Option<AccountId> {
    let digits = user_id.strip_prefix(PREFIX)?;
    if digits.len() != WIDTH {
        return None;
    }
    let number = digits.bytes().try_fold(0_u128, |number, byte| {
        let digit = DIGITS.iter().position(|known| *known == byte)?;
        number
            .checked_mul(62)?
            .checked_add(u128::try_from(digit).ok()?)
    })?;
    Some(Uuid::from_u128(number).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u128) -> AccountId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(encode(id(0)), "user_0000000000000000000000");
        assert_eq!(encode(id(61)), "user_000000000000000000000z");
        assert_eq!(encode(id(u128::MAX)), "user_7n42DGM5Tflk9n8mt7Fhc7");
    }

    #[test]
    fn what_encode_does_not_make_is_refused() {
        for text in [
            "",
            "user_",
            "user_0",
            "0000000000000000000000",
            "USER_0000000000000000000000",
            "user_00000000000000000000000",
            "user_000000000000000000000-",
            "user_00000000000000000000é",
            "user_7n42DGM5Tflk9n8mt7Fhc8",
            "user_zzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_comes_back(number: u128) {
            prop_assert_eq!(decode(&encode(id(number))), Some(id(number)));
        }

        #[test]
        fn ids_sort_like_their_uuids(left: u128, right: u128) {
            prop_assert_eq!(left.cmp(&right), encode(id(left)).cmp(&encode(id(right))));
        }
    }
}
