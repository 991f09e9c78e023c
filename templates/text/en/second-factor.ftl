# The second factor: asked for, set up, looked after.

second-factor-code-title = Enter a code
second-factor-code-about = Open your authenticator app, and type the six digits that it shows now.
second-factor-code-wrong = The code is not right, or it was used already. Wait for the next one and try again.
second-factor-code = Code
second-factor-trust = Do not ask for a code on this device for { $time }
second-factor-go-on = Go on
second-factor-lost = You do not have the app with you?
second-factor-recovery-code = One of your recovery codes
second-factor-recovery-hint = You got ten of them when you set up the app. Each works once. Without the app and without them, ask the people who run { $brand }.
second-factor-recovery-submit = Go on with a recovery code
second-factor-switch = Sign in as someone else

second-factor-set-up-title = Set up a second factor
second-factor-wished = { $app } would like you to sign in with a code of an authenticator app beside your password. You can also go on without.
second-factor-demanded = Your account needs a code of an authenticator app beside the password. Set it up once, and go on.
second-factor-advised = With a code of an authenticator app beside your password, a stolen password opens nothing.
second-factor-decline = Not now
second-factor-turn-on = Turn it on
second-factor-another-title = Set up another authenticator app
second-factor-another-about = The app that you have now stops working here, and you get new recovery codes.

second-factor-scan = Open your authenticator app, and add an account to it by this code.
second-factor-qr = QR code for an authenticator app
second-factor-key = You cannot photograph it? Type this key into the app:
second-factor-open-app = Or open the app on this device
second-factor-first-code = The six digits that the app shows now
second-factor-first-code-wrong = This is not the code that the app shows now. Look again, or check the clock of your device.

second-factor-codes-title = Keep your recovery codes
second-factor-codes-about = If you lose your authenticator app, one of them lets you in instead. Each works once. They are not shown again.
second-factor-codes-download = Download them
second-factor-codes-done = I have kept them

second-factor-on-title = Your second factor is on
second-factor-on-about = Since { $since } you sign in with your password and a code of your authenticator app.
second-factor-codes = Recovery codes
second-factor-codes-left =
    { $left ->
        [0] You have used all of them.
        [one] One is left.
       *[other] { $left } are left.
    } With new ones the old ones stop working.
second-factor-codes-renew = Get new recovery codes
second-factor-devices = Devices
second-factor-devices-trusted =
    { $count ->
        [0] You are asked for a code on every device.
        [one] On one of your devices you are not asked for a code at the moment.
       *[other] On { $count } of your devices you are not asked for a code at the moment.
    }
second-factor-devices-distrust = Ask on every device again
second-factor-app = Authenticator app
second-factor-app-another = Set up another app
second-factor-turn-off = Turn it off
second-factor-stays-on = Your account must have a second factor, so it cannot be turned off.
second-factor-no-choice = Your browser did not say which button you pressed. Go back and try again.
