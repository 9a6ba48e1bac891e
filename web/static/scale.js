// Shows beside each slider the number of dynos and their cost. Without this script, the page shows the cost of one.
"use strict";

// Prices are decimals. JavaScript numbers would round them.
function cost(hourly, quantity) {
  const [whole, decimals] = hourly.split(".");
  const digits = String(BigInt(whole + decimals) * BigInt(quantity)).padStart(decimals.length + 1, "0");
  return `${digits.slice(0, -decimals.length)}.${digits.slice(-decimals.length)}`;
}

for (const form of document.querySelectorAll(".scale")) {
  const slider = form.elements.quantity;
  const say = () => {
    const noun = slider.value === "1" ? "dyno" : "dynos";
    form.querySelector("output").textContent = `${slider.value} ${noun}: ${cost(form.dataset.price, slider.value)} an hour`;
  };
  slider.addEventListener("input", say);
  say();
}
