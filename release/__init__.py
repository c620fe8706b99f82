"""What a release needs beside the code: its weight, the licences of what it installs, and a wheel that works."""
