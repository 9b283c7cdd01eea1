"""Benchmark problems of our own, and what a training set may have made of them: written by hand, one form a keyword.

light: other words. restructured: another order, another question for the same thing. disguised: another story or notation,
the same mathematics. variant: another number, so another answer. opening: a hard negative, that starts alike and asks
something else. What a program can make of a text (copies) is in tests/problems/copies.py.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plant:
    """`variant` and `opening` are a text and its answer; every other form has the benchmark's answer."""

    problem: str
    answer: str
    light: str = ""
    restructured: str = ""
    disguised: str = ""
    translation: str = ""
    variant: tuple[str, str] | None = None
    opening: tuple[str, str] | None = None


PLANTS = [
    Plant(
        r"A farmer has hens and rabbits. Together they have $50$ heads and $140$ feet. How many rabbits are there?",
        "20",
        light="A farmer keeps rabbits and hens. In total they have 50 heads and 140 feet. Find the number of rabbits.",
        restructured="There are 140 feet and 50 heads among the animals of a farm, which are hens or rabbits."
        " Determine how many of them are rabbits.",
        disguised="Only motorcycles and cars stand in a car park, 50 vehicles in all, and somebody counts 140 wheels."
        " How many cars are parked there?",
        translation="Ein Bauer hat Hühner und Kaninchen. Zusammen haben sie $50$ Köpfe und $140$ Füße."
        " Wie viele Kaninchen sind es?",
        variant=(
            "A farmer has hens and rabbits. Together they have $60$ heads and $170$ feet. How many rabbits are there?",
            "25",
        ),
        opening=(
            "A farmer has hens and rabbits. Together they eat $12$ kg of grain a week, three times as much as the"
            " farmer's goat. How many kilograms does the goat eat in a year of $52$ weeks?",
            "208",
        ),
    ),
    Plant(
        r"Find the number of positive integers $n \le 1000$ that are divisible by neither $6$ nor $15$.",
        "801",
        light=r"How many positive integers not exceeding $1000$ are divisible neither by $6$ nor by $15$?",
        restructured="All multiples of 15 and all multiples of 6 are crossed out in the list of the integers from 1 to"
        " 1000. How many integers are left?",
        disguised="A thousand lockers, numbered 1 to 1000, are closed. One pupil opens every sixth of them, another one"
        " every fifteenth that is not open yet. How many lockers stay closed?",
        translation=r"Trouver le nombre d'entiers strictement positifs $n \le 1000$ qui ne sont divisibles ni par $6$"
        r" ni par $15$.",
        variant=(
            r"Find the number of positive integers $n \le 1000$ that are divisible by neither $6$ nor $14$.",
            "786",
        ),
    ),
    Plant(
        r"Let $a$ and $b$ be real numbers with $a+b=7$ and $ab=3$. Compute $a^3+b^3$.",
        "280",
        light=r"Real numbers $x$ and $y$ satisfy $x+y=7$ and $xy=3$. Find $x^3+y^3$.",
        restructured="The product of two real numbers is 3 and their sum is 7. What is the sum of their cubes?",
        disguised=r"Let $r$ and $s$ be the two roots of the equation $t^2-7t+3=0$. Evaluate $r^3+s^3$.",
        variant=(r"Let $a$ and $b$ be real numbers with $a+b=8$ and $ab=3$. Compute $a^3+b^3$.", "440"),
        opening=(
            r"Let $a$ and $b$ be real numbers with $a+b=7$ and $a>b$. The numbers $a$, $4$ and $b$ are in geometric"
            r" progression only if $ab$ has one value. Which one?",
            "16",
        ),
    ),
    Plant(
        r"In triangle $ABC$, $AB=13$, $BC=14$ and $CA=15$. Find the length of the altitude from $A$ to $BC$.",
        "12",
        light=r"Triangle $ABC$ has sides $AB=13$, $BC=14$, $CA=15$. What is the length of its altitude from $A$?",
        restructured="A triangle has sides 13, 14 and 15. How long is the height that stands on the side of length 14?",
        disguised="Straight roads join three villages: from P to Q it is 13 km, from Q to R 14 km, from R to P 15 km."
        " What is the shortest distance, in km, from P to the road between Q and R?",
        translation=r"En el triángulo $ABC$ se tiene $AB=13$, $BC=14$ y $CA=15$. Halla la longitud de la altura"
        r" trazada desde $A$ sobre $BC$.",
        variant=(
            r"In triangle $ABC$, $AB=17$, $BC=21$ and $CA=10$. Find the length of the altitude from $A$ to $BC$.",
            "8",
        ),
        opening=(
            r"In triangle $ABC$, $AB=13$, $BC=14$ and $CA=15$. The circle through $A$, $B$ and $C$ has radius $R$."
            r" Find $8R$.",
            "65",
        ),
    ),
    Plant(
        r"What is the remainder when $7^{2023}$ is divided by $100$?",
        "43",
        light=r"Find the remainder of $7^{2023}$ upon division by $100$.",
        restructured=r"Determine the two last digits of the number $7^{2023}$.",
        disguised="A colony starts as one cell, and every hour each cell becomes 7 cells. After 2023 hours the cells are"
        " packed in boxes of 100. How many cells are left over?",
        translation=r"Какой остаток даёт число $7^{2023}$ при делении на $100$?",
        variant=(r"What is the remainder when $7^{2022}$ is divided by $100$?", "49"),
    ),
    Plant(
        "A fair coin is flipped $8$ times. What is the probability that exactly $3$ of the flips are heads? Express your"
        " answer as a common fraction.",
        r"\frac{7}{32}",
        light="You toss a fair coin $8$ times. Find, as a common fraction, the probability of getting exactly $3$ heads.",
        restructured="What is the chance, as a fraction, to see heads exactly three times when a fair coin is thrown"
        " eight times?",
        disguised="A family has 8 children; each is equally likely to be a boy or a girl, independently of the others."
        " With what probability are exactly 3 of them girls? Give a fraction in lowest terms.",
        variant=(
            "A fair coin is flipped $8$ times. What is the probability that exactly $2$ of the flips are heads? Express"
            " your answer as a common fraction.",
            r"\frac{7}{64}",
        ),
        opening=(
            "A fair coin is flipped $8$ times. What is the expected number of flips that show the same side as the flip"
            " before? Express your answer as a common fraction.",
            r"\frac{7}{2}",
        ),
    ),
    Plant(
        "How many distinct arrangements of all the letters of the word BANANA are there?",
        "60",
        light="In how many different ways can the letters of the word BANANA be arranged?",
        restructured="Count the different words, with or without a meaning, that have exactly the letters of BANANA.",
        disguised="One blue, two green and three red flags, those of a colour alike, are hoisted one above the other."
        " How many signals are possible?",
        translation="单词 BANANA 的所有字母共有多少种不同的排列？",
        variant=("How many distinct arrangements of all the letters of the word BANDANA are there?", "420"),
    ),
    Plant(
        r"The sum of the first $20$ terms of an arithmetic sequence is $590$, and its first term is $1$. Find the common"
        r" difference.",
        "3",
        light="An arithmetic sequence has first term 1, and its first 20 terms add up to 590. What is its common"
        " difference?",
        disguised="A theatre with 590 seats has 20 rows. There is 1 seat in the first row, and each row has the same"
        " number of seats more than the row before it. What is this number?",
        variant=(
            r"The sum of the first $20$ terms of an arithmetic sequence is $780$, and its first term is $1$. Find the"
            r" common difference.",
            "4",
        ),
    ),
    Plant(
        r"Solve for $x$: $\log_2(x-3)+\log_2(x+3)=4$.",
        "5",
        light=r"Find the real solution $x$ of the equation $\log_2(x-3)+\log_2(x+3)=4$.",
        restructured=r"For which real number $y$ is $4$ the sum of $\log_2(y+3)$ and $\log_2(y-3)$?",
        disguised=r"Which number $t>3$ makes the product $(t-3)(t+3)$ equal to $2^4$?",
        variant=(r"Solve for $x$: $\log_2(x-6)+\log_2(x+6)=6$.", "10"),
        opening=(r"Solve for $x$: $\log_2(x-3)+\log_4(x-3)=6$.", "19"),
    ),
    Plant(
        r"A circle of radius $6$ is inscribed in a square. What is the area of the region inside the square but outside"
        r" the circle?",
        r"144-36\pi",
        light="A square has an inscribed circle of radius 6. Find the area of the part of the square that lies outside"
        " the circle.",
        disguised="The largest possible disc, of radius 6 cm, is cut out of a square sheet of tin. How many square"
        " centimetres of tin are wasted?",
        translation=r"In un quadrato è inscritta una circonferenza di raggio $6$. Qual è l'area della regione interna"
        r" al quadrato ma esterna alla circonferenza?",
        variant=(
            r"A circle of radius $5$ is inscribed in a square. What is the area of the region inside the square but"
            r" outside the circle?",
            r"100-25\pi",
        ),
        opening=(
            r"A circle of radius $6$ is inscribed in a square. What is the length of the diagonal of the square?",
            r"12\sqrt{2}",
        ),
    ),
    Plant(
        r"Let $f(x)=2x^2-5x+1$. Find $f(f(2))$.",
        "8",
        light=r"If $g(x)=2x^2-5x+1$, what is the value of $g(g(2))$?",
        restructured=r"Evaluate $f$ at the number $f(2)$, where $f$ is the function given by $f(t)=1-5t+2t^2$.",
        disguised="A machine takes a number, doubles its square, subtracts 5 times the number and adds 1. The number 2 is"
        " put in, and what comes out is put in again. What comes out then?",
        variant=(r"Let $f(x)=2x^2-5x+3$. Find $f(f(2))$.", "0"),
        opening=(r"Let $f(x)=2x^2-5x+1$. Find the sum of the squares of the roots of $f$.", r"\frac{21}{4}"),
    ),
    Plant(
        "How many diagonals does a regular polygon with $12$ sides have?",
        "54",
        light="Find the number of diagonals of a regular $12$-gon.",
        restructured="Segments are drawn between every two vertices of a regular polygon with twelve vertices. How many"
        " of them are not sides of the polygon?",
        disguised="Twelve delegates sit around a table. Each shakes hands once with everybody but the two who sit next to"
        " them. How many handshakes are there?",
        variant=("How many diagonals does a regular polygon with $15$ sides have?", "90"),
    ),
    Plant(
        r"How many ordered pairs of positive integers $(x,y)$ satisfy $3x+5y=120$?",
        "7",
        light=r"Find the number of pairs $(a,b)$ of positive integers with $3a+5b=120$.",
        disguised="A collector pays exactly 120 dollars for stamps, some at 3 dollars and some at 5 dollars each, at least"
        " one of either kind. In how many ways is that possible?",
        translation=r"Wie viele geordnete Paare positiver ganzer Zahlen $(x,y)$ erfüllen $3x+5y=120$?",
        variant=(r"How many ordered pairs of positive integers $(x,y)$ satisfy $3x+7y=210$?", "9"),
        opening=(
            r"How many ordered pairs of positive integers $(x,y)$ with $x+y\le 10$ have an even product?",
            "25",
        ),
    ),
    Plant(
        "Find the greatest common divisor of $1548$ and $2322$.",
        "774",
        light=r"What is $\gcd(1548, 2322)$?",
        restructured="Determine the largest positive integer by which both 2322 and 1548 can be divided without remainder.",
        disguised="A floor of 1548 cm by 2322 cm is paved with equal square tiles, none of them cut. How long, in cm, is"
        " the side of the largest such tile?",
        variant=("Find the greatest common divisor of $1548$ and $2322\\cdot 5 + 1548$.", "1548"),
        opening=("Find the sum of the prime divisors of $1548$.", "48"),
    ),
    Plant(
        r"Two trains leave stations that are $450$ km apart at the same time and travel towards each other, one at"
        r" $70$ km/h and the other at $80$ km/h. After how many hours do they meet?",
        "3",
        light="At the same moment two trains start towards each other from stations 450 km apart, at speeds of 70 km/h"
        " and 80 km/h. How many hours pass until they meet?",
        disguised="A pump puts 70 litres an hour in an empty tank of 450 litres, a second pump 80 litres an hour. In how"
        " many hours do both together fill the tank?",
        variant=(
            r"Two trains leave stations that are $600$ km apart at the same time and travel towards each other, one at"
            r" $70$ km/h and the other at $80$ km/h. After how many hours do they meet?",
            "4",
        ),
        opening=(
            r"Two trains leave stations that are $450$ km apart at the same time and travel in the same direction, the"
            r" one behind $20$ km/h faster. The one in front stops after $9$ hours. How far apart are they then, in km?",
            "270",
        ),
    ),
    Plant(
        r"Compute $\sum_{k=1}^{99}\frac{1}{k(k+1)}$.",
        r"\frac{99}{100}",
        light=r"Find the value of the sum $\sum_{n=1}^{99}\frac{1}{n(n+1)}$.",
        restructured=r"Evaluate $\frac{1}{1\cdot 2}+\frac{1}{2\cdot 3}+\cdots+\frac{1}{99\cdot 100}$.",
        disguised=r"On day $k$ a snail climbs $\frac{1}{k(k+1)}$ metres. How many metres has it climbed after $99$ days?",
        translation=r"次の和を求めよ: $\sum_{k=1}^{99}\frac{1}{k(k+1)}$",
        variant=(r"Compute $\sum_{k=1}^{49}\frac{1}{k(k+1)}$.", r"\frac{49}{50}"),
    ),
    Plant(
        "How many four-digit numbers have digits that strictly increase from left to right?",
        "126",
        light="Find the number of four-digit integers whose digits are strictly increasing from left to right.",
        disguised="The code of a lock consists of four different digits from 1 to 9 that are entered in ascending order."
        " How many codes are possible?",
        variant=("How many three-digit numbers have digits that strictly increase from left to right?", "84"),
        opening=("How many four-digit numbers have digits whose product is an odd number?", "625"),
    ),
    Plant(
        r"If $x+\frac{1}{x}=5$, what is the value of $x^2+\frac{1}{x^2}$?",
        "23",
        light=r"Suppose $y+\frac1y=5$. Find $y^2+\frac1{y^2}$.",
        restructured="A number and its reciprocal add up to 5. What do their squares add up to?",
        disguised=r"Let $u$ and $v$ be the solutions of $t^2-5t+1=0$. Compute $u^2+v^2$.",
        variant=(r"If $x+\frac{1}{x}=6$, what is the value of $x^2+\frac{1}{x^2}$?", "34"),
        opening=(
            r"If $x+\frac{1}{x}=5$, what is the larger of the two possible values of $x$?",
            r"\frac{5+\sqrt{21}}{2}",
        ),
    ),
    Plant(
        "A right triangle has legs of lengths $20$ and $21$. Find the radius of its inscribed circle.",
        "6",
        light="The legs of a right triangle are $20$ and $21$. What is its inradius?",
        restructured="A circle touches all three sides of a triangle; two of these, 21 and 20 long, are perpendicular."
        " How long is the circle's radius?",
        disguised="A triangular lawn lies between two streets that meet at a right angle, 20 m and 21 m of them, and a"
        " straight path. The largest round pond that fits is dug in it. What is its radius in metres?",
        variant=("A right triangle has legs of lengths $28$ and $45$. Find the radius of its inscribed circle.", "10"),
        opening=(
            "A right triangle has legs of lengths $20$ and $21$. Find the distance between its centroid and the vertex"
            " of the right angle.",
            r"\frac{29}{3}",
        ),
    ),
    Plant(
        r"Let $S=\{1,2,\dots,30\}$. What is the smallest $k$ such that every subset of $S$ with $k$ elements has two"
        r" elements whose sum is $31$?",
        "16",
        light=r"Find the least $k$ for which any $k$ elements of the set $\{1,2,\dots,30\}$ include two with sum $31$.",
        disguised="In a drawer are 30 socks with the numbers 1 to 30; two of them match if their numbers add up to 31."
        " How many socks must be drawn in the dark to be sure of a match?",
        variant=(
            r"Let $S=\{1,2,\dots,40\}$. What is the smallest $k$ such that every subset of $S$ with $k$ elements has two"
            r" elements whose sum is $41$?",
            "21",
        ),
    ),
    Plant(
        r"Evaluate $\int_0^2 (3x^2+4x)\,dx$.",
        "16",
        restructured=r"What is the area under the graph of $y=4x+3x^2$ between $x=0$ and $x=2$?",
        disguised=r"A cyclist's speed after $t$ seconds is $3t^2+4t$ metres per second. How many metres does she ride in"
        r" the first $2$ seconds?",
        variant=(r"Evaluate $\int_0^3 (3x^2+4x)\,dx$.", "45"),
    ),
    Plant(
        r"The polynomial $x^3-6x^2+11x+c$ has $3$ as a root. Find $c$.",
        "-6",
        light=r"Find the constant $c$ for which $3$ is a zero of the polynomial $x^3-6x^2+11x+c$.",
        restructured=r"For which value of $k$ is $x-3$ a factor of $x^3-6x^2+11x+k$?",
        disguised=r"Which number must be added to $t^3-6t^2+11t$ so that division by $t-3$ leaves no remainder?",
        variant=(r"The polynomial $x^3-5x^2+11x+c$ has $3$ as a root. Find $c$.", "-15"),
        opening=(r"The polynomial $x^3-6x^2+11x+c$ has three real roots for $c=-6$. Find the largest of them.", "3"),
    ),
    Plant(
        "A bag holds $5$ red and $7$ blue marbles. Two marbles are drawn without replacement. What is the probability that"
        " both are red?",
        r"\frac{5}{33}",
        light="There are 5 red marbles and 7 blue ones in a bag. If two are taken out without replacement, what is the"
        " probability that they are both red?",
        disguised="A club has 5 women and 7 men as members. Two delegates are chosen at random. With what probability are"
        " both women?",
        translation="Um saco contém $5$ bolas vermelhas e $7$ azuis. Retiram-se duas bolas sem reposição. Qual é a"
        " probabilidade de ambas serem vermelhas?",
        variant=(
            "A bag holds $6$ red and $7$ blue marbles. Two marbles are drawn without replacement. What is the probability"
            " that both are red?",
            r"\frac{5}{26}",
        ),
        opening=(
            "A bag holds $5$ red and $7$ blue marbles. How many blue marbles must be added so that a marble drawn at"
            " random is red with probability $\\frac14$?",
            "8",
        ),
    ),
    Plant(
        "The area of a rectangle is $168$ and its perimeter is $62$. Find the length of its diagonal.",
        "25",
        light="A rectangle has area $168$ and perimeter $62$. How long is its diagonal?",
        restructured="How far apart are opposite corners of a rectangle whose perimeter is 62 and whose area is 168?",
        disguised="Two positive numbers have the product 168, and twice their sum is 62. What is the square root of the"
        " sum of their squares?",
        variant=("The area of a rectangle is $120$ and its perimeter is $46$. Find the length of its diagonal.", "17"),
        opening=(
            "The area of a rectangle is $168$ and one side is $17$ longer than the other. How long is the shorter side?",
            "7",
        ),
    ),
    Plant(
        r"Find the coefficient of $x^4$ in the expansion of $(2x-3)^6$.",
        "2160",
        light=r"What is the coefficient of $y^4$ when $(2y-3)^6$ is expanded?",
        restructured=r"The sixth power of $2x-3$ is multiplied out. Which number stands before $x^4$?",
        translation=r"$(2x-3)^6$ açılımında $x^4$ teriminin katsayısını bulunuz.",
        variant=(r"Find the coefficient of $x^4$ in the expansion of $(2x-1)^6$.", "240"),
        opening=(r"Find the coefficient of $x^4$ in the quotient of $x^6-1$ by $x-1$.", "1"),
    ),
    Plant(
        "Find the least positive integer that leaves a remainder of $2$ when divided by $3$, a remainder of $3$ when"
        " divided by $5$ and a remainder of $2$ when divided by $7$.",
        "23",
        light="What is the smallest positive integer whose remainders on division by $3$, $5$ and $7$ are $2$, $3$ and"
        " $2$ respectively?",
        restructured=r"Determine the smallest $n>0$ with $n\equiv 2 \pmod 3$, $n\equiv 3\pmod 5$ and $n\equiv 2\pmod 7$.",
        disguised="A captain counts his soldiers. In rows of 3 there are 2 left, in rows of 5 there are 3 left, in rows"
        " of 7 there are 2 left. What is the smallest number of soldiers that he can have?",
        variant=(
            "Find the least positive integer that leaves a remainder of $2$ when divided by $3$, a remainder of $4$ when"
            " divided by $5$ and a remainder of $1$ when divided by $7$.",
            "29",
        ),
    ),
    Plant(
        "In how many ways can $10$ identical balls be placed in $4$ different boxes?",
        "286",
        light="Ten identical balls are to be distributed among four distinct boxes. How many ways are there?",
        disguised=r"How many solutions in nonnegative integers has the equation $a+b+c+d=10$?",
        variant=("In how many ways can $9$ identical balls be placed in $4$ different boxes?", "220"),
        opening=(
            "In how many ways can $10$ different balls be painted in $4$ colours such that one ball is red?",
            "196830",
        ),
    ),
    Plant(
        "What is the volume of a cone with base radius $9$ and slant height $15$?",
        r"324\pi",
        light="Find the volume of a right circular cone whose base has radius $9$ and whose slant height is $15$.",
        disguised="A heap of sand in the form of a cone covers a disc of radius 9 m, and from its edge straight up to its"
        " tip it is 15 m. How many cubic metres of sand are there?",
        variant=("What is the volume of a cone with base radius $5$ and slant height $13$?", r"100\pi"),
        opening=("What is the volume of a cone with base radius $9$ whose height is half of the radius?", r"121.5\pi"),
    ),
    Plant(
        r"How many integers $k$ satisfy $|2k-7|<15$?",
        "14",
        light=r"Find the number of integer solutions $n$ of the inequality $|2n-7|<15$.",
        restructured="For how many integers is the distance between their double and 7 smaller than 15?",
        variant=(r"How many integers $k$ satisfy $|2k-7|<19$?", "18"),
    ),
    Plant(
        r"A sequence is defined by $a_1=2$ and $a_{n+1}=3a_n-1$ for $n\ge 1$. Find $a_6$.",
        "365",
        light=r"Let $b_1=2$ and $b_{k+1}=3b_k-1$ for every $k\ge1$. What is $b_6$?",
        restructured="Each term of a sequence is one less than three times the term before it, and the first term is 2."
        " Determine the sixth term.",
        disguised="On the first day 2 people know a secret. Every day the number of those who know it becomes 3 times as"
        " large, and then 1 of them forgets it. How many people know it on day 6?",
        translation=r"Ciąg jest określony przez $a_1=2$ oraz $a_{n+1}=3a_n-1$ dla $n\ge 1$. Wyznacz $a_6$.",
        variant=(r"A sequence is defined by $a_1=2$ and $a_{n+1}=3a_n-2$ for $n\ge 1$. Find $a_6$.", "244"),
    ),
    Plant(
        r"Let $\theta$ be an acute angle with $\sin\theta=\frac{5}{13}$. Compute $\tan 2\theta$.",
        r"\frac{120}{119}",
        light=r"The acute angle $\alpha$ satisfies $\sin\alpha=\frac5{13}$. Find $\tan(2\alpha)$.",
        disguised="In a right triangle the hypotenuse is 13 and the side opposite to the angle A is 5. What is the tangent"
        " of an angle twice as large as A?",
        variant=(
            r"Let $\theta$ be an acute angle with $\sin\theta=\frac{3}{5}$. Compute $\tan 2\theta$.",
            r"\frac{24}{7}",
        ),
        opening=(r"Let $\theta$ be an acute angle with $\sin\theta=\cos 3\theta$. Find $\theta$ in degrees.", "22.5"),
    ),
    Plant(
        r"At which point does the line through $(1,-2)$ and $(4,7)$ meet the $x$-axis?",
        r"\left(\frac{5}{3},0\right)",
        light=r"The line passing through the points $(1,-2)$ and $(4,7)$ crosses the $x$-axis at which point?",
        restructured=r"A linear function $f$ has $f(4)=7$ and $f(1)=-2$. Give the point where its graph intersects the axis"
        r" $y=0$.",
        variant=(
            r"At which point does the line through $(1,-2)$ and $(4,1)$ meet the $x$-axis?",
            r"(3,0)",
        ),
    ),
    Plant(
        "Ann paints a room in $6$ hours, and Bob paints it in $3$ hours. How many hours do they need together?",
        "2",
        light="Bob can paint a room in 3 hours and Ann can paint it in 6 hours. Working together, how many hours do they"
        " need?",
        disguised="The cold tap alone fills a bath in 6 minutes, the hot tap alone in 3 minutes. In how many minutes do"
        " both taps fill it?",
        variant=(
            "Ann paints a room in $12$ hours, and Bob paints it in $6$ hours. How many hours do they need together?",
            "4",
        ),
    ),
    Plant(
        r"The positive numbers $x$, $y$ and $z$ satisfy $xy=24$, $yz=40$ and $zx=60$. Find $x^2+y^2+z^2$.",
        "152",
        light=r"Positive reals $a,b,c$ are such that $ab=24$, $bc=40$, $ca=60$. Compute $a^2+b^2+c^2$.",
        disguised="Three faces of a box that meet in a corner have areas 24, 40 and 60. What is the square of the length of"
        " the box's space diagonal?",
        variant=(
            r"The positive numbers $x$, $y$ and $z$ satisfy $xy=12$, $yz=15$ and $zx=20$. Find $x^2+y^2+z^2$.",
            "50",
        ),
    ),
]
