// tests come with recorded samples
