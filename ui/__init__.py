"""The search page: Streamlit over `stylesearch.Library`, and nothing but that."""
