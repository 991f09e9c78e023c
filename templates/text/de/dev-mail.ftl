# Die E-Mails eines Entwicklungsstarts.

dev-mail-title = E-Mails
dev-mail-about = Im Entwicklungsbetrieb werden keine E-Mails verschickt. Sie liegen hier und im Ordner { $folder }.
dev-mail-none = Es gibt noch keine.
dev-mail-to = An { $to }, { $at }
dev-mail-all = Alle E-Mails
dev-mail-html = Diese E-Mail als HTML
