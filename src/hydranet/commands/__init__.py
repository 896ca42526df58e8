"""What `hydranet` can do: one file a command. Each imports torch only once it runs."""
