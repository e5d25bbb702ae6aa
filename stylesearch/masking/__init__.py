"""What a picture shows, apart from the rest of it: masks of the subject, and what to do where nothing stands out."""
