# After signing out.

signed-out-title = Signed out
signed-out-heading = You are signed out
signed-out-about = You can close this page. On a computer that others use too, close the browser as well.
signed-out-login = Sign in again
