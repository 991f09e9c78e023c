# After signing out.

signed-out-title = Signed out
signed-out-heading = You are signed out
signed-out-about = You can close this page. On a computer that others use too, close the browser as well.
signed-out-login = Sign in again
signed-out-others = Other accounts are still signed in on this browser. If others use it too, sign out of all of them.
signed-out-all = Sign out of all accounts
signed-out-choose = Choose an account
