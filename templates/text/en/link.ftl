# Single-use links: the first administrator, and a password to choose.

link-admin-title = Make the first administrator
link-admin-about = This account looks after { $brand }: it may do everything here.
link-password-title = Choose a password
link-password-heading = Choose your password
link-password-about = for the account { $account }. Wherever it is signed in now, it is signed out.
link-email = Mail address
link-username = User name
link-username-hint = Shorter to type than the mail address when you sign in.
link-admin-submit = Make the administrator
link-password-submit = Set the password

link-wrong-email = This is not a mail address. Write it as name@example.com.
link-wrong-username = A user name has 1 to 64 characters, none of them a space or an @.
link-taken = This mail address or user name belongs to another account.
link-busy = The server is busy at the moment. Wait a few seconds, then try again.

link-done-title = You can sign in now
link-done-about = Your password is set. The link has done its work and opens nothing any more.
link-done-login = Sign in
