//! Second factors and recovery codes.

use super::*;

pub fn a_step_and_a_recovery_code_are_used_once(store: &dyn Store) {
    let (wei, lan) = (user("wei"), user("lan"));
    let factor = SecondFactor { user: wei.id, secret: vec![7; 60], confirmed: false, step: 0 };
    in_tx(store, |tx| {
        tx.put_user(&wei)?;
        tx.put_user(&lan)?;
        tx.put_second_factor(&factor)?;
        tx.put_recovery_codes(wei.id, &[[1; 32], [2; 32]])
    });
    assert_eq!(in_read(store, |read| read.second_factor(wei.id)), Some(factor.clone()));
    assert_eq!(in_read(store, |read| read.second_factor(lan.id)), None);
    assert!(in_tx(store, |tx| tx.use_step(wei.id, 5)));
    assert!(!in_tx(store, |tx| tx.use_step(wei.id, 5)), "used");
    assert!(!in_tx(store, |tx| tx.use_step(wei.id, 4)), "a later one was used");
    assert!(!in_tx(store, |tx| tx.use_step(lan.id, 9)), "has none");
    let now = SecondFactor { confirmed: true, step: 5, ..factor };
    assert_eq!(in_read(store, |read| read.second_factor(wei.id)), Some(now));

    assert!(!in_tx(store, |tx| tx.use_recovery_code(lan.id, &[1; 32])), "somebody else's");
    assert!(in_tx(store, |tx| tx.use_recovery_code(wei.id, &[1; 32])));
    assert!(!in_tx(store, |tx| tx.use_recovery_code(wei.id, &[1; 32])), "used");
    assert_eq!(in_read(store, |read| read.recovery_codes(wei.id)), 1);
    in_tx(store, |tx| tx.put_recovery_codes(wei.id, &[[3; 32], [4; 32], [5; 32]]));
    assert_eq!(in_read(store, |read| read.recovery_codes(wei.id)), 3, "new ones stand in place of the old");
    in_tx(store, |tx| tx.drop_second_factor(wei.id));
    assert_eq!(in_read(store, |read| Ok((read.second_factor(wei.id)?, read.recovery_codes(wei.id)?))), (None, 0));
}
