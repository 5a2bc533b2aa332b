"""Drivers carry out verbs in the world: one module a driver, with one public function.

    def open_driver(site: Site) -> Driver

`site` says where the driver may put things, and reads what manifests only name as a secret: a driver asks at the moment
of use and keeps nothing. A kind's schema names its driver by the module's name. Other packages add drivers under the
entry-point group `ureg.drivers`: the entry names a module of the same form.

A driver acts on a transition's `target` (`absent` removes, any other state renders for that state) and never on the
verb's name, so that it serves any lifecycle. It imports what is heavy only where it is used.
"""
