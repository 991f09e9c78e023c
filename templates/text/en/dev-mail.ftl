# The mails of a development start.

dev-mail-title = Mails
dev-mail-about = A development start sends no mails. They are kept here, and in the folder { $folder }.
dev-mail-none = There are none yet.
dev-mail-to = To { $to }, { $at }
dev-mail-all = All mails
dev-mail-html = This mail as HTML
