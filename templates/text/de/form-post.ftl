# Auf dem Weg zurück zu einer App, wo kein Skript läuft.

form-post-title = Zurück zur App
form-post-heading = Zurück zur App
form-post-about = Ihr Browser führt keine Skripte aus und braucht hier Ihre Hilfe.
form-post-go-on = Weiter
