"""`voipnode doctor`: tries what the settings name against the world, and says in words what is wrong and what helps."""
