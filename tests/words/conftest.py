from hypothesis import settings

#: A slow machine is no reason for a property to fail, and no folder is left in the project.
settings.register_profile("words", deadline=None, database=None)
settings.load_profile("words")
