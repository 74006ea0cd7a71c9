// What the page itself must do because the app behind it answers a moment later (live view) or not in time (desktop):
// keep links and forms from navigating, and note how far the page was scrolled before a press changes it.
if (!window.__glue) {
  window.__glue = true;
  const top = () => {
    const screen = document.getElementById('screen');
    window.__top = screen ? screen.scrollTop : 0;
  };
  document.addEventListener('click', (event) => {
    top();
    const link = event.target.closest && event.target.closest('a[href]');
    const href = link ? link.getAttribute('href') : '';
    if (link && href.charAt(0) === '/' && !event.ctrlKey && !event.metaKey) event.preventDefault();
  }, true);
  document.addEventListener('keydown', (event) => {
    top();
    // While an input method composes, Enter takes what it offers.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && event.target.tagName === 'INPUT') event.target.blur();
  }, true);
  document.addEventListener('submit', (event) => event.preventDefault(), true);
}
