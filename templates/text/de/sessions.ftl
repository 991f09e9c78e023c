# Wo jemand angemeldet ist.

sessions-title = Geräte
sessions-about = Hier sind Sie angemeldet. Wenn Sie etwas davon nicht kennen, beenden Sie es und ändern Sie Ihr Passwort.
sessions-present = dieses Gerät
sessions-since = Angemeldet am { $since }
sessions-seen = Zuletzt gesehen am { $seen }
sessions-address = Von { $address }
sessions-apps = Verwendet von
sessions-end = Beenden
sessions-end-present = Beenden und hier abmelden
sessions-end-others = Alle anderen beenden
sessions-ended = Es ist beendet: Dort ist niemand mehr angemeldet.
sessions-effect = Was Sie beenden, ist sofort vorbei, auch für die Apps, die es verwendet haben. Auf dem Gerät wird wieder nach Passwort und zweitem Faktor gefragt.
sessions-no-choice = Es wurde nichts gewählt. Gehen Sie zurück und drücken Sie den Knopf neben dem Gerät.
