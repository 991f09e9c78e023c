# Was bei einer App steht, wo immer eine anfragt.

client-rules = Regeln dieser App
client-policy = Datenschutzerklärung
client-terms = Nutzungsbedingungen
