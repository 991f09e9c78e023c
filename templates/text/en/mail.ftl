# Mails. Each one has a subject, a text, and mostly something to do.

mail-sign-up-subject = Make your account at { $brand }
mail-sign-up-text = Somebody, probably you, wants an account at { $brand } with this mail address.
mail-sign-up-action = Make the account

mail-taken-subject = You have an account at { $brand }
mail-taken-text = Somebody, probably you, wants an account at { $brand } with this mail address. There is one already, so no other was made. On the page where you sign in you can also choose another password, if you do not know yours any more.
mail-taken-action = Sign in

mail-invitation-subject = You are invited to { $brand }
mail-invitation-text = Whoever runs { $brand } invites you to make an account there.
mail-invitation-action = Make the account

mail-verify-subject = Confirm your mail address
mail-verify-text = Please confirm that this is the mail address of your account at { $brand }.
mail-verify-action = Confirm the address

mail-confirm-subject = Confirm your new mail address
mail-confirm-text = Somebody, probably you, wants this to be the mail address of an account at { $brand }.
mail-confirm-action = Confirm the address

mail-moved-subject = The mail address of your account was changed
mail-moved-text = Your account at { $brand } has another mail address now. This was its old one, and this is the last mail here.

mail-reset-subject = Choose a new password
mail-reset-text = Somebody, probably you, wants to choose a new password for your account at { $brand }.
mail-reset-action = Choose a password

mail-password-subject = Your password was changed
mail-password-text = The password of your account at { $brand } was changed, and wherever else you were signed in, you were signed out.
mail-password-alarm = If that was not you, choose another one at once.
mail-password-action = Choose another password

mail-device-subject = Somebody signed in on a new device
mail-device-text = Somebody, probably you, signed in to your account at { $brand } on a device that was not used there before.
mail-device-label = Device: { $device }
mail-device-address = Network address: { $address }
mail-device-time = Time: { $time }
mail-device-alarm = If that was not you, sign that device out at once, and choose another password.
mail-device-action = See your devices

mail-factor-on-subject = Your account has a second factor
mail-factor-on-text = From now on signing in to your account at { $brand } takes a code from your authenticator app besides the password.
mail-factor-off-subject = Your account has no second factor any more
mail-factor-off-text = From now on signing in to your account at { $brand } takes your password alone.
mail-factor-alarm = If that was not you, choose another password at once, and look at your second factor.
mail-factor-action = See your second factor

mail-code-used-subject = A recovery code was used
mail-code-used-text =
    Somebody, probably you, signed in to your account at { $brand } with a recovery code. { $left ->
        [0] None is left: make new ones.
        [one] 1 is left.
       *[other] { $left } are left.
    }

mail-codes-renewed-subject = You have new recovery codes
mail-codes-renewed-text = New recovery codes were made for your account at { $brand }. The old ones do not work any more.

mail-deleted-subject = Your account was deleted
mail-deleted-text = Your account at { $brand } was deleted, and all that hung on it. This is the last mail.

mail-only-operator = If that was not you, turn to whoever runs { $brand } at once: only they can help.

mail-link-life = The link works once, for { $time }.
mail-link-ignore = If you did not expect this mail, do nothing: without the link nothing happens. Give the link to nobody.

mail-footer = { $brand }, { $issuer }. Nobody reads answers to this mail.
