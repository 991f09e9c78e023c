# The sign-in page.

login-title = Sign in
login-title-for = Sign in to { $app }
login-account = with your { $brand } account
login-account-for = with your { $brand } account. The app does not see your password.
login-beside = The accounts that are signed in on this browser stay so.
login-accounts = Choose one of them
login-mismatch = The user name or the password is not right. Check both and try again.
login-throttled = Too many tries. Wait { $wait }, then try again.
login-busy = Many people are signing in at the moment. Wait a few seconds, then try again.
login-username = User name or mail address
login-password = Password
login-submit = Sign in
login-recover = Forgot your password?
login-sign-up = Create an account
