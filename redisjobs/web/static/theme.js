// Before anything is drawn: the theme that was chosen here before.
const chosen = localStorage.getItem("redisjobs-theme");
if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
