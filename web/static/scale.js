// Shows beside each slider the number of dynos and their cost. Without this script, the page shows the cost of one.
"use strict";

const HOURS_A_MONTH = 730;

// Prices are decimals. JavaScript numbers would round them.
function cost(hourly, times, decimals) {
  const [whole, fraction = ""] = hourly.split(".");
  const scale = 10n ** BigInt(fraction.length);
  const wanted = 10n ** BigInt(decimals);
  const total = (BigInt(whole + fraction) * BigInt(times) * wanted + scale / 2n) / scale;
  const digits = String(total).padStart(decimals + 1, "0");
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

for (const form of document.querySelectorAll(".scale")) {
  const slider = form.elements.quantity;
  const money = (text) => form.dataset.format.replace("{}", text);
  const say = () => {
    const noun = slider.value === "1" ? "dyno" : "dynos";
    const hourly = money(cost(form.dataset.price, slider.value, 4));
    const monthly = money(cost(form.dataset.price, slider.value * HOURS_A_MONTH, 2));
    form.querySelector("output").textContent = `${slider.value} ${noun}: ${hourly} an hour, ${monthly} a month`;
  };
  slider.addEventListener("input", say);
  say();
}
