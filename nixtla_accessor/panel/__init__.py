"""The frame's side: it knows pandas, never HTTP."""
