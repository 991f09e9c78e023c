# What stands by an app, wherever one asks.

client-rules = Rules of this app
client-policy = Privacy policy
client-terms = Terms of service
