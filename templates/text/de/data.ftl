# Alles, was über jemanden gespeichert ist.

data-title = Ihre Daten
data-export = Eine Kopie Ihrer Daten
data-export-about = Eine Datei (JSON) mit allem, was über Sie gespeichert ist: Ihr Profil, Ihre Geräte, was Sie Apps erlaubt haben und was in Ihrem Konto geschehen ist. Geheimnisse sind nicht darin.
data-export-submit = Datei herunterladen
data-delete = Das Konto löschen
data-delete-about = Das Konto { $account } wird sofort entfernt, mit allem, was hier über Sie gespeichert ist, und lässt sich nicht wiederherstellen. Sie werden überall abgemeldet. Was Apps über Sie wissen, behalten diese: Fragen Sie dort nach.
data-sure = Ich bin sicher: Mein Konto soll gelöscht werden.
data-delete-submit = Konto löschen
data-not-sure = Es wurde nichts gelöscht. Wenn Sie sicher sind, setzen Sie auch das Häkchen über dem Knopf.
data-last-administrator = Es wurde nichts gelöscht: Sonst kann niemand dieses Haus verwalten. Machen Sie zuerst jemand anderen zum Administrator.
data-no-choice = Es wurde nichts gewählt. Gehen Sie zurück und drücken Sie einen der Knöpfe.
data-deleted-title = Ihr Konto ist gelöscht
data-deleted-about = Alles, was hier über Sie gespeichert war, ist weg. Sie können diese Seite schließen.
data-deleted-start = Zur Startseite
