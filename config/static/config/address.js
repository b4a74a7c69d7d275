// A page that follows a confirmation of who one is has the address of the confirmation.
// Its forms are sent to the address of the page, so the browser is given the right one.
(() => {
  const address = document.currentScript.dataset.address;
  const current = location.pathname + location.search;
  if (address && address !== current && /^\/(?!\/)/.test(address)) {
    history.replaceState(history.state, "", address + location.hash);
  }
})();
