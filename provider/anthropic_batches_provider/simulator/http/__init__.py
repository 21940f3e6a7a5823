"""The service's HTTP: routes, headers and bodies, and the connections that a fault breaks.

Invariant: a fault strikes before or after the service's work, never in the middle of it. A batch that was made stays
made, no matter what answer its client receives.
"""
