# A new password, wherever one is chosen.

password-new = New password
password-hint = 8 to 128 characters of any kind. A few words that nobody else would put together are easy to remember and hard to guess.
password-too-short = This is too short. Choose at least 8 characters.
password-too-long = This is too long. Choose at most 128 characters.
password-common = This is one of the first passwords that anybody would try. Choose another.
password-near-word = This contains your name, your mail address or the name of this place. Choose one without.
password-weak = This is easy to guess. Choose a longer one, or words that nobody else would put together.
password-breached = This password was stolen somewhere and is in the lists that thieves try. Choose another, there too.

password-title = Password
password-about = Wherever you are signed in beside this browser, you are signed out. A mail tells you that it was changed.
password-saved = The password is changed.
password-present = Current password
password-present-wrong = This is not your current password. Try again.
password-submit = Change the password
