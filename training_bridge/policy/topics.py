"""What the embedded default policy can talk about: everyday topics in short, plain sentences.

`corpus.py` composes prompts and answers from this text. A line begins with a mark:

    # topic                 a new topic; `kind` says how its subjects are asked about (see `corpus.FRAMES`)
    ~ sentence < reason     a vague answer, good for every subject of the topic
    + clause                a remark that leads away from the question, good for every subject of the topic
    ? question              an offer to end with, good for every subject of the topic
    ## subject              what the prompt names; `@` lines are further prompts in their own words
    = sentence < reason     a concrete answer for this subject; it holds a number

`{a|b}` is one of the alternatives. Every answer is a full sentence without its stop, every reason a clause after "because".
The words that carry tone and vagueness (`tastes.py`) appear only where they belong; a test holds that.
"""

# ruff: noqa: E501

TOPICS = """
# dinner
kind idea
~ Something simple with vegetables is usually fine < most kitchens have a few at home
~ It depends on what is in the cupboard < different things go with different things
~ You could put various things in a pan and see < that is how most dinners begin
+ people have cooked over a fire for a very long time
+ the smell of onions fills a whole house
+ every family has a dish that nobody else understands
? Would you like a shopping list?
? Shall I write down the steps?
## a quick dinner
@ What should I cook tonight?
@ What can I make for dinner?
= Boil {pasta|noodles} for 9 minutes and stir in {tomatoes|peas|spinach} and cheese < it needs only one pot
= Fry 2 eggs and put them on {toast|rice} with {beans|mushrooms} < eggs are quick and filling
= Heat a tin of {beans|chickpeas} with 1 onion and serve it with bread < tins need no planning
## a dinner for guests
@ Friends are coming for dinner. What should I cook?
= Roast a chicken with potatoes at 200 degrees for 80 minutes < the oven does the work while you talk
= Make a big {vegetable|mushroom} lasagne the day before and bake it for 40 minutes < you will have time for your guests
= Cook a pot of curry with {lentils|chickpeas} for 30 minutes and put rice beside it < everyone can take as much as they like
## a cheap dinner
= Cook 1 cup of lentils with {carrots|onions} for 25 minutes < lentils cost very little and fill you up
= Fry yesterday's rice with 1 egg and {peas|cabbage} < nothing is thrown away
= Bake 3 potatoes for an hour and top them with {beans|cheese} < potatoes are cheap all year
## a dinner without meat
= Bake {peppers|tomatoes} filled with rice for 35 minutes < the filling keeps them soft and rich
= Fold {mushrooms|spinach} into an omelette made with 3 eggs < eggs give you enough protein
= Simmer 2 tins of tomatoes with {beans|lentils} and chilli for 20 minutes < beans make it as hearty as any stew

# cooking
kind do
~ You usually need a pot, some heat and a little time < that is how cooking works
~ It depends on how you like it < tastes differ from house to house
~ Just try something and taste it now and then < tasting tells you more than a recipe
+ grandmothers never measured anything
+ a wooden spoon lasts longer than most pans
+ kitchens are always the fullest room at a party
? Would you like the full recipe?
? Shall I tell you what goes well with it?
## boil an egg
= Put the egg in boiling water for {6 minutes if you like it soft|10 minutes if you like it hard} < the yolk sets slowly from the outside
= Take the egg from the fridge 10 minutes before you boil it < a cold shell cracks in hot water
= Boil it for 8 minutes and then hold it under cold water < the cold stops it from cooking on
## cook rice
= Use 1 cup of rice and 2 cups of water and cook it with the lid on for {12|15} minutes < the steam finishes the grains
= Wash the rice 3 times before you cook it < the loose starch makes it sticky
= Let the rice rest for 5 minutes under the lid < the grains dry and come apart
## make soup
= Cook {carrots|leeks|potatoes} in 1 litre of stock for 20 minutes and blend it smooth < soft vegetables need no cream
= Fry 1 onion slowly before you add the water < fried onion gives the soup its depth
= Add {lentils|barley} and simmer the soup for 30 minutes < it makes a meal of it
## cook pasta
= Boil the pasta in 3 litres of water with 1 spoon of salt < plenty of water keeps it from sticking
= Take it out 1 minute before the packet says so < it goes on cooking in the sauce
= Keep 1 cup of the cooking water for the sauce < the starch binds it
## make pancakes
= Whisk 2 eggs with 250 grams of flour and half a litre of milk < that ratio gives a thin, smooth batter
= Let the batter rest for 15 minutes before you fry it < the flour soaks up the milk
= Fry each pancake for 1 minute a side in {butter|oil} < a hot pan makes them light

# baking
kind do
~ You mix various things and put them in the oven < heat does the rest
~ It depends on the oven, more or less < every oven is different
~ Something like flour, sugar and butter usually works < they are in most cakes
+ a warm loaf never lasts long
+ the first try rarely looks like the picture
+ flour gets everywhere, even behind the clock
? Would you like the exact amounts?
? Shall I suggest a topping?
## bake bread
= Knead 500 grams of flour with water, yeast and salt for 10 minutes < kneading makes the dough stretch
= Let the dough rise for {2 hours in a warm place|12 hours in the fridge} < the yeast needs time to fill it with air
= Bake it at 230 degrees for 35 minutes with a bowl of water in the oven < the steam gives it a good crust
## bake a cake
= Beat 200 grams each of butter, sugar and flour with 4 eggs < equal weights are easy to remember
= Bake the cake at 180 degrees for 40 minutes and do not open the door early < cold air makes it sink
= Prick the middle with a stick after 35 minutes < a dry stick means the cake is done
## bake cookies
= Chill the dough for 30 minutes before you bake the cookies < cold butter keeps them from running flat
= Bake the cookies at 175 degrees for {10|12} minutes < they stay soft in the middle
= Put them 5 centimetres apart on the tray < they spread as they bake
## make pizza
= Heat the oven to 250 degrees for half an hour before the pizza goes in < a hot tray makes the base crisp
= Roll the dough 3 millimetres thin and use only a little sauce < a wet base stays soft
= Bake the pizza for 8 minutes with {basil|olives|mushrooms} on top < a short time keeps the toppings fresh

# wild animals
kind about
~ They are interesting animals in many ways < nature makes all sorts of things
~ They eat various things and live in various places < it depends on the season
~ They usually keep to themselves < most wild animals do
+ watching animals teaches patience
+ tracks in the snow tell whole stories
+ old tales are full of clever animals
? Would you like to know where to see them?
? Shall I tell you about their young?
## otters
= A river otter eats about 1 kilo of {fish|fish and crabs} a day < swimming in cold water costs a lot of energy
= Otters can close their ears and stay under water for 4 minutes < they hunt with their whiskers in the dark
= Sea otters have up to 100,000 hairs on a square centimetre of skin < they have no fat to keep them warm
## foxes
= A fox can hear a mouse 30 metres away < its big ears turn like dishes
= Foxes have about 4 or 5 cubs each spring < many of the young do not live through the winter
= A fox sleeps {in a den|under bushes} by day and walks up to 10 kilometres at night < most of its prey comes out in the dark
## hedgehogs
= A grown hedgehog carries about 5,000 spines < they are its only defence
= Hedgehogs sleep for up to 5 months in winter < there are no {insects|beetles} to eat
= A hedgehog walks about 2 kilometres a night through gardens < it needs many beetles and worms
## bats
= A small bat eats up to 3,000 insects in a night < flying uses a lot of energy
= Bats find their way by calls above 20 kilohertz < the echo tells them where things are
= Some bats live for more than 30 years < they rest all winter and have few enemies
## deer
= A red deer stag carries antlers of up to 10 kilos < the strongest stag wins the herd
= Deer feed {at dawn|at dusk} and then chew for about 6 hours a day < grass is hard to digest
= A fawn lies still for its first 2 weeks < it has almost no smell that a fox could follow

# birds
kind about
~ They are birds of some kind and fly about < that is what birds do
~ They sing more or less, depending on the weather < it depends on the bird too
~ They build their nests somehow and raise their young < all sorts of places will do
+ a window is the best seat in the house
+ feathers turn up in every child's pocket
+ mornings sound different in every season
? Would you like to know what they sound like?
? Shall I tell you how to attract them?
## owls
= An owl can turn its head by 270 degrees < its eyes are fixed in its skull
= A barn owl eats about 4 {mice|voles} a night < its chicks are always hungry
= Owls hear a mouse under 30 centimetres of snow < one ear sits higher than the other
## swallows
= Swallows fly about 10,000 kilometres to Africa each autumn < there are no flies in the cold months
= A pair of swallows builds its nest from 1,000 lumps of mud < mud sticks well to {barns|stone walls}
= A swallow catches hundreds of flies a day and feeds 4 or 5 chicks < the young grow fast
## penguins
= Emperor penguins dive more than 500 metres deep < their fish and squid live far down
= A penguin father keeps the egg on his feet for 65 days < the ice would freeze it
= Penguins stand in groups of up to 5,000 birds < they take turns in the warm middle
## crows
= A crow remembers a face for more than 2 years < it wants to know who is a danger
= Crows drop nuts from 10 metres onto the {road|rocks} < the fall breaks the shell
= Young crows stay with their parents for 1 or 2 years < they learn from watching
## pigeons
= A homing pigeon finds its way over 800 kilometres < it feels the magnetic field of the earth
= Pigeons fly at about 80 kilometres an hour < their flight muscles are a third of their weight
= A pair of pigeons raises 2 chicks at a time < both parents make milk in their throats

# small creatures
kind about
~ They are small, and there are various kinds of them < it depends on where you look
~ They are useful one way or another < nature needs all sorts of creatures
~ You usually find them outdoors < that is where they live, more or less
+ a child with a jar can spend a whole day on them
+ the garden is busier than any town
+ nobody has counted them all
? Would you like to know how to help them?
? Shall I tell you where they spend the winter?
## bees
= A bee visits about 100 flowers on one flight < each flower holds only a drop of nectar
= A hive of 40,000 bees keeps one queen < only the queen lays eggs
= Bees dance to show food {2|5} kilometres away < the angle points to the sun
## ants
= An ant can carry 20 times its own weight < small bodies are strong for their size
= Ants leave a trail of scent that lasts about 1 hour < the others can follow it to the food
= A colony of wood ants can hold 500,000 workers < many hands keep the nest warm
## butterflies
= A butterfly tastes with its 6 feet < it must find the right leaf for its eggs
= Some butterflies fly more than 3,000 kilometres south < they cannot live through a frost
= A caterpillar grows to 1,000 times its weight < it does nothing but eat {leaves|nettles}
## spiders
= A spider has 8 legs and most have 8 eyes < it must notice every move around it
= A garden spider builds a new web in about 1 hour < dust makes the old one less sticky
= Spider silk is 5 times as strong as steel of the same weight < its threads stretch before they break
## snails
= A garden snail moves about 1 metre in 10 minutes < it glides on one foot and a layer of slime
= A snail has more than 10,000 tiny teeth < it scrapes its food from {leaves|stones}
= Snails can sleep for 3 years in a dry place < they close their shell with a lid of slime

# sea animals
kind about
~ They live in the sea and eat various things < the sea is full of something to eat
~ They are quite different in many ways < it depends on how deep they live
~ You usually see them far from land < they go wherever they like, more or less
+ the sea looks different every day
+ sailors have told stories about them for ages
+ salt gets into everything at the coast
? Would you like to know how they sleep?
? Shall I tell you who hunts them?
## whales
= A blue whale grows up to 30 metres long < water carries its weight
= A sperm whale holds its breath for 90 minutes < it hunts squid in the deep
= Humpback whales swim up to 8,000 kilometres to their winter home < they feed in cold water and give birth in warm water
## dolphins
= Dolphins sleep with 1 half of the brain at a time < they must come up for air
= A dolphin swims up to 35 kilometres an hour < its skin and shape let the water slip past
= Each dolphin has a whistle of about 1 second as its name < the group must stay in touch
## octopuses
= An octopus has 3 hearts and blue blood < its blood carries oxygen with copper
= An octopus changes its colour in less than 1 second < it must hide from {seals|sharks}
= Each of its 8 arms can taste what it touches < it looks for crabs in dark holes
## sea turtles
= A sea turtle lays about 100 eggs in the sand < only a few of the young reach the sea
= Turtles return to their beach after 30 years < they remember its magnetic field
= A green turtle rests under water for up to 5 hours < its heart beats very slowly

# pets
kind problem
~ That usually passes somehow < animals have their moods
~ It depends on the animal, more or less < each one is different
~ Try something new and see what happens < all sorts of things can help
+ pets always choose the best chair
+ nobody owns a cat, they say
+ a wet dog shakes itself in the smallest room
? Shall I help you find a good time for it?
? Is there anything else it does?
## My dog pulls on the lead.
= Stop walking for {5|10} seconds each time the lead goes tight < the dog learns that pulling leads nowhere
= Practise for 10 minutes a day with small treats at your knee < short lessons stick best
= Change direction every 20 steps < the dog begins to watch you
## My cat scratches the sofa.
= Put a post of at least 80 centimetres beside the sofa < cats want to stretch while they scratch
= Cover the corner with {foil|smooth tape} for 3 weeks < cats do not like the feel of it
= Play with the cat for 15 minutes twice a day < a tired cat leaves the furniture alone
## My dog barks at the door.
= Ask a friend to ring 5 times and reward every quiet moment < the bell stops being exciting
= Send the dog to its mat and give a treat after 3 seconds of silence < it cannot bark and lie down calmly
= Walk the dog for {30|40} minutes before visitors come < a tired dog barks less
## My cat wakes me up at night.
= Feed the cat at 10 in the evening, just before you sleep < a full cat sleeps longer
= Play with it for 20 minutes before bed < it hunts in play and then rests
= Stay in bed for 2 weeks, however loud it calls < every answer teaches it to call again

# bikes
kind problem
~ You can usually fix that somehow < bikes are made of various parts
~ It depends on the bike < something may be worn or loose
~ Take it to some kind of shop or try something yourself < one way or another it will work
+ a bike is still the best way through a town
+ bells sound friendlier than horns
+ hills were always steeper when we were young
? Do you have a pump and some tools?
? Shall I list the tools you need?
## My bike has a flat tyre.
= Take out the tube, find the hole in water and {glue a patch on it|put a patch on it} for 5 minutes < bubbles show where the air gets out
= Push the tube back with your thumbs and pump it to about 4 bar < tools can pinch the rubber
= Run a finger along the inside of the tyre 2 times < the thorn may still be there
## My bike chain keeps falling off.
= Turn the small screw on the gear by 1 quarter turn and try again < the gear swings too far
= Measure the chain and change it after 3,000 kilometres < a long chain slips from the teeth
= Clean the chain and give it 1 drop of oil on each link < dry links jump
## My bike brakes squeak.
= Rub the rim with {alcohol|soapy water} and wait 10 minutes < grease makes the pads sing
= Turn the pads to make the front touch 1 millimetre earlier < it stops them from shaking
= Change the pads when less than 2 millimetres are left < metal under the rubber squeals
## My bike light does not work.
= Check the {cable|battery} first and clean the contacts for 1 minute < most faults are dirt
= Put in 2 fresh batteries and press the switch a few times < old batteries leak
= Hold the bulb against a battery of 3 volts < it tells you which part is broken

# garden
kind do
~ You put it in the ground and it grows somehow < plants usually know what to do
~ It depends on the soil and the weather < gardens are different in many ways
~ Give it something to grow in, and water and so on < that generally helps
+ dirt under the nails is a good sign
+ weeds never take a holiday
+ the best gardens are never finished
? Do you have a sunny spot for it?
? Shall I make a calendar for you?
## grow tomatoes
= Plant tomatoes 50 centimetres apart in full sun < leaves that stay dry do not get ill
= Give each plant about 1 litre of water a day < dry spells make the fruit split
= Break off the side shoots every 7 days < the strength goes into the fruit
## grow herbs
= Put {basil|parsley|mint} in a pot of 15 centimetres by the window < herbs need light and warmth
= Cut only 1 third of the plant at a time < it grows back faster
= Water them every 2 days and let the top dry < wet roots rot
## plant a tree
= Dig a hole 2 times as wide as the roots < loose soil lets them spread
= Plant it in {October|November} and water it with 10 litres < the roots settle before the summer
= Tie the tree to a stake for 2 years < wind tears the young roots
## make compost
= Mix 2 parts of dry leaves with 1 part of kitchen scraps < air and moisture stay in balance
= Turn the heap every 3 weeks with a fork < the air keeps it from smelling
= Leave it for about 9 months < worms need time to make soil
## grow potatoes
= Lay the potatoes 10 centimetres deep in {April|spring} < the frost cannot reach them there
= Heap earth around the stems after 4 weeks < light turns the potatoes green
= Dig them up after 100 days, when the leaves turn yellow < the skins are firm by then

# house plants
kind problem
~ Plants do that from time to time and usually recover somehow < it depends on the plant
~ Give it something, maybe water or light < plants need various things
~ Move it somewhere else and see, more or less < places differ in many ways
+ talking to plants does no harm
+ every office has one plant that survives everything
+ green makes a room feel bigger
? How often do you water it?
? Shall I help you find a better place for it?
## My plant has yellow leaves.
= Wait until the top 3 centimetres are dry before you water again < too much water is the usual cause
= Move the plant 1 metre closer to the window < leaves turn yellow in the dark
= Give it half a dose of plant food every {2|4} weeks < old soil has no food left
## My plant has little flies.
= Let the soil dry for 10 days and put up yellow cards < the young flies need wet soil
= Cover the soil with 1 centimetre of sand < flies cannot lay eggs in it
= Water the plant from below for 4 weeks < the top stays dry
## My cactus looks soft.
= Stop watering it for {4|6} weeks and put it in the sun < a cactus rots from wet feet
= Cut off the soft part and let the rest dry for 5 days < the cut has to close
= Repot it in soil with 50 percent sand < water runs off quickly
## My plant drops its leaves.
= Keep it at about 20 degrees and away from {the radiator|the open window} < sudden changes shock it
= Spray the leaves with water 2 times a week < heated air is dry
= Leave it in one place for at least 6 weeks < moving costs it strength

# weather
kind about
~ It comes from the sky one way or another < the weather is various things at once
~ It depends on the time of year < that is how it usually goes
~ It is something that happens when the air is in the mood < air does all sorts of things
+ talk about the weather never ends
+ the best sky is always on the way home
+ farmers look up before they look at the clock
? Would you like to know how to forecast it?
? Shall I explain how it is measured?
## rain
= A raindrop falls at about {20|25} kilometres an hour < the air slows it down
= Drops grow to 5 millimetres before they break apart < the wind of the fall tears them
= A cloud of 1 cubic kilometre holds about 500 tonnes of water < the droplets are tiny and many
## snow
= Every snowflake has 6 sides < water freezes into rings of six
= Fresh snow is 90 percent air < the flakes lie loosely on each other
= Snow falls at about 5 kilometres an hour < flakes are light and wide
## thunderstorms
= Count the seconds after the flash and divide by 3 to get the kilometres < sound takes its time
= A flash of lightning is about 30,000 degrees hot < so much current squeezes through a narrow path
= A thunderstorm cloud can be 15 kilometres tall < warm air shoots up like smoke
## rainbows
= A rainbow appears at 42 degrees from the point opposite the sun < each drop bends the light
= Look for it with the sun behind you, {before 10 in the morning|after 4 in the afternoon} < the sun must stand low
= A second bow often stands 9 degrees further out < the light is reflected twice
## wind
= Wind of {60|70} kilometres an hour breaks twigs from trees < its force grows with the square of its speed
= At the coast the wind turns at about 6 in the evening < land cools faster than water
= Strong winds blow at a height of 10 kilometres < warm and cold air meet there

# space
kind about
~ It is somewhere up there and looks quite bright, generally < space is full of all sorts of things
~ It depends on how far you can see < telescopes show various things
~ People know something about it, more or less < it has been studied in many ways
+ the night sky makes everyone quiet
+ old calendars were drawn by looking up
+ city lights hide most of it
? Would you like to know when to see it?
? Shall I tell you how far away that is?
## the moon
= The moon is about 384,000 kilometres away < it moves in a slow circle around the earth
= It takes 27 days to go once around us < it is far away and in no hurry
= You would weigh 6 times less on the moon < it is much smaller than the earth
## the sun
= Light from the sun takes 8 minutes to reach us < the way is very long
= The sun is about 5,500 degrees hot at its surface < atoms melt into each other deep inside
= More than 1 million earths would fit into the sun < it holds nearly all matter around here
## the stars
= You can see about {2,500|3,000} stars on a clear night < the others are too faint for our eyes
= The nearest star is 4 light years away < space is mostly empty
= Blue stars are hotter than 10,000 degrees < hot things shine blue and cooler ones red
## Mars
= A day on Mars lasts 24 hours and 37 minutes < it turns about as fast as the earth
= Mars has a mountain 22 kilometres high < the ground there does not move away
= It is about 60 degrees below zero on Mars < the air is thin and holds no heat

# trees
kind about
~ They grow somehow and get quite tall, generally < trees do that
~ They are useful in many ways < wood is good for various things
~ There are all sorts of them, depending on the place < it depends on the soil
+ a good tree has room for a swing
+ leaves sound different in autumn
+ carved initials outlive many friendships
? Would you like to know how to recognise them?
? Shall I tell you what lives in them?
## oak trees
= An oak can live for {500|800} years < its wood holds an acid that keeps beetles away
= An old oak drops up to 10,000 acorns in a good year < only a few will ever grow
= More than 500 kinds of insects live on an oak < it offers food from root to leaf
## apple trees
= An apple tree bears fruit after about {3|4} years < it must first grow strong roots
= Cut back 1 third of an apple tree every February < light must reach the inner branches
= It needs a second tree within 50 metres < bees carry pollen from one to the other
## birch trees
= A birch grows about 50 centimetres a year < it likes light and hurries up to it
= Its white bark keeps it 10 degrees cooler in the sun < white throws the heat back
= A birch drinks up to 70 litres of water on a summer day < its small leaves lose a lot of it
## fir trees
= A fir keeps its needles for about 8 years < thick wax protects them from the frost
= Some firs grow 60 metres tall < they reach for the light above the others
= Fir cones stand up and fall apart after 1 year < the wind can take the seeds from above

# food facts
kind about
~ It comes from somewhere and is made in various ways < it depends on who makes it
~ People usually like it < it tastes of something
~ There are all sorts of it < every place does it differently, more or less
+ markets smell best in the morning
+ hungry people write the longest shopping lists
+ the last piece always looks the biggest
? Would you like to know how to store it?
? Shall I suggest a way to use it?
## honey
= Bees fly to about 2 million flowers for one jar of honey < each bee brings only a drop
= Honey keeps for more than {10|20} years in a closed jar < it holds too little water for germs
= Warm it to 40 degrees to make it liquid again < heat melts the sugar crystals
## tea
= Green tea wants water of 80 degrees and 2 minutes < hotter water makes it bitter
= Black tea should stand for {3|4} minutes < the colour comes first and the taste later
= One bush gives tea for more than 50 years < only the young leaves are picked
## coffee
= A cup of coffee holds about 90 milligrams of caffeine < the bean makes it against insects
= Grind 60 grams of beans for a litre of water < less tastes thin and more tastes harsh
= Coffee keeps you awake for about 5 hours < the body clears it slowly
## chocolate
= Dark chocolate is at least {60|70} percent cocoa < the rest is sugar and cocoa butter
= Chocolate melts at 34 degrees < that is just below the warmth of a mouth
= A cocoa tree gives beans for about 1 kilo of chocolate a year < the fruits ripen slowly
## cheese
= It takes 10 litres of milk to make 1 kilo of hard cheese < most of the water runs off
= Hard cheese ripens for {6|12} months < the taste needs time to grow
= Take cheese from the fridge 1 hour before you eat it < cold hides the flavour

# sleep
kind problem
~ Try to relax somehow < that generally helps one way or another
~ It depends on the day, more or less < sleep is different for everyone
~ Something calm in the evening usually helps < the mind needs that kind of thing
+ sheep are harder to count than people say
+ the other side of the pillow is always cooler
+ cats manage it anywhere
? When do you go to bed now?
? Shall I make an evening plan for you?
## I cannot fall asleep.
= Put the phone away {60|90} minutes before bed < bright light keeps the brain awake
= Get up after 20 minutes and read until you are tired < the bed should mean sleep
= Breathe in for 4 seconds and out for 8 < a long breath slows the heart
## I am tired every morning.
= Get up at the same time on all 7 days < the body clock likes a fixed hour
= Step into daylight for {10|15} minutes after you wake < light tells the body that the day has begun
= Go to bed 30 minutes earlier for 2 weeks < most grown people sleep too little
## I wake up at night.
= Keep the bedroom at about 18 degrees < a cool body sleeps deeper
= Drink your last coffee before {1|2} in the afternoon < caffeine stays in the blood for hours
= Do not look at the clock, and rest for 15 minutes < counting hours wakes you up further
## My neighbours are loud at night.
= Wear soft ear plugs that take away 30 decibels < they close the ear completely
= Ring at 6 in the evening and ask them kindly < many people do not know how much is heard
= Run a fan {1 metre|2 metres} from the bed through the night < steady noise hides the sudden one

# exercise
kind do
~ Move about somehow, whenever it suits < that usually does some kind of good
~ It depends on how fit you are < bodies differ in many ways
~ Do something every now and then < something is generally better than nothing
+ new shoes always look faster
+ the sofa is never as soft as after a run
+ everyone sings better when out of breath
? Shall I make a weekly plan for you?
? How much time do you have each week?
## start running
= Run for 1 minute and walk for 2, and do that {8|10} times < the joints need time to get used to it
= Go 3 times a week with a rest day between < muscles grow while you rest
= Run so slowly that you can speak 5 words at a time < easy running builds stamina
## learn to swim
= Practise breathing out under water for {5|10} minutes < calm breath is half of swimming
= Take 10 lessons with a teacher < someone else sees your mistakes
= Start in water of 1 metre, where you can stand < you can stop at any moment
## get stronger
= Do 3 rounds of {10|12} push-ups and squats < big muscles work best as a team
= Train 2 times a week and add a little weight each time < the body answers to more load
= Eat about 25 grams of protein after training < muscles are built from it
## stretch my back
= Lie down and pull your knees to your chest for 30 seconds < it opens the lower back
= Stand up from your chair every {30|45} minutes < long sitting makes the back stiff
= Hang from a bar for 20 seconds a day < your own weight pulls you long

# walks
kind idea
~ Somewhere with trees or water is usually good < it depends on the weather
~ You could go one way or another and see < all sorts of paths are fine
~ Take something to eat and walk about, more or less < walks are good in many ways
+ pockets fill up with stones on every walk
+ the way back always seems shorter
+ dogs know all the best paths
? How far would you like to walk?
? Shall I write a packing list?
## a walk on Sunday
@ Where should I go for a walk?
= Follow {a river|a stream} for 5 kilometres and come back by train < you cannot get lost along the water
= Climb the nearest hill before 9 in the morning < the light is clear and the paths are empty
= Walk {2|3} hours to a village with a bakery < a goal keeps the legs going
## a walk with children
= Choose a round of 3 kilometres with {a playground|a pond} half way < small legs need a goal
= Give each child a list of 10 things to find < looking makes them forget the distance
= Stop every 20 minutes for a snack < full children walk on
## a long hike
= Plan 4 kilometres an hour and a break after {2|3} hours < tired feet make mistakes
= Carry 2 litres of water and wear boots you know < new boots rub
= Start at 7 and be down by 4 in the afternoon < storms come late in the day
## a walk in the rain
= Walk {1 hour|2 hours} in the woods with a good coat < the leaves keep off the worst of it
= Wear 2 pairs of socks and take a dry one along < dry feet stay warm
= Go round the lake for 40 minutes and warm up with tea < the empty shore is all yours

# packing
kind do
~ Take various things, depending on where you go < you usually need something
~ Put everything in a bag somehow < it generally fits one way or another
~ It depends on the trip < trips differ in many ways
+ the book you pack is never the one you read
+ stations are full of people with too many bags
+ someone always forgets a toothbrush
? How many days will you be away?
? Shall I write the list for you?
## pack for a weekend
= Take 2 shirts, 1 jumper and {1 pair of shoes|no second pair of shoes} < you wear less than you think
= Roll the clothes and use 1 small bag < rolls take less room and crease less
= Pack 30 minutes the evening before < in the morning you forget the charger
## pack for the beach
= Take 2 towels, a hat and sun cream of factor {30|50} < sand and salt make the sun stronger
= Put 2 litres of water in a cool bag < there is little shade by the sea
= Bring 1 dry bag for phone and keys < sand gets everywhere
## pack for camping
= Take a tent, a mat and a sleeping bag for {5|0} degrees < the ground is colder than the air
= Pack 1 lamp for each person and spare batteries < it is darker than at home
= Carry matches in 2 places < one of them may get wet
## pack for a flight
= Keep everything you need for 1 night in the hand bag < cases get lost
= Weigh the case before you go and stay under {20|23} kilos < extra weight costs money
= Put liquids of up to 100 millilitres in a clear bag < they are checked at the gate

# rainy days
kind idea
~ You could make something, somehow < there is usually something in the house
~ All sorts of games are possible < it depends on who is there
~ Just do various things until it stops < rain stops one way or another
+ windows are the oldest kind of screen
+ boots by the door tell the forecast
+ blankets make everything better
? Would you like a second idea?
? How many people are you?
## a rainy afternoon
@ It rains all day. What could I do?
= Bake a tray of {biscuits|rolls} and read {2|3} chapters while they cool < warm smells make grey days short
= Sort 1 drawer and put on a record you forgot < small order feels good
= Write letters to 3 people you miss < a quiet day is made for it
## a rainy day with children
= Build a cave from 2 chairs and {a blanket|a sheet} < children play for hours in a small room
= Hide 10 things in the flat and draw a map < a hunt uses up energy
= Fold paper boats and race them in 5 centimetres of water < the bath is warm and dry outside
## an evening without power
= Light {4|6} candles and play cards < the light is enough for a table
= Tell a story where everyone adds 1 sentence < nobody knows how it will end
= Go outside and count stars for 10 minutes < the street is dark for once
## a quiet Sunday
= Sleep until {9|10} and make a slow breakfast < there is no hurry for once
= Do a puzzle of 500 pieces at the big table < hands are busy and the head is free
= Walk for 1 hour and read in the bath afterwards < fresh air makes rest sweeter

# presents
kind idea
~ Something personal is usually right < people like that kind of thing
~ It depends on what they like < tastes differ in many ways
~ You could give various things, more or less < all sorts of presents are welcome
+ the paper is half of the fun
+ ribbons are kept in drawers for years
+ surprises are hard to hide from children
? How much would you like to spend?
? Shall I help you with the card?
## a present for my mother
@ What should I give my mother for her birthday?
= Print {20|30} photos and put them in an album < pictures last longer than flowers
= Plant 3 of her favourite herbs in one box < she will think of you when she cooks
= Book 2 tickets for {a concert|the theatre} and go with her < time with you is the real present
## a present for a child
= Give a box of {48|60} coloured pencils and thick paper < children draw every day
= Choose a board game that takes 20 minutes < short games get played
= Make a kit with 5 small {science|magic} tricks < children like to show what they can do
## a present for a colleague
= Buy {250|500} grams of good coffee and a card < it is friendly and not too much
= Give a small plant in a pot of 10 centimetres < it brightens a desk
= Collect 2 coins from everyone and buy a book voucher < all of you take part
## a present for a friend
= Cook a dinner of 3 courses at your place < an evening is worth more than a thing
= Write down 10 memories you share < nobody else could give that
= Give {a book|a record} and 1 page that says why < your words make it personal

# parties
kind idea
~ Something with food and music is usually fine < people like all sorts of things
~ It depends on who comes < guests differ in many ways
~ Do it somehow, more or less < parties generally work out
+ everybody ends up in the kitchen
+ one guest always comes too early
+ balloons last longer than expected
? How many guests will come?
? Shall I write the invitation?
## a birthday party
@ How should I celebrate my birthday?
= Invite {8|10} people and let each bring one dish < you have less to cook
= Play 3 quick games before the cake < guests get to know each other
= Start at 4 and end at 8 < a clear end keeps the evening fresh
## a children's party
= Plan 5 games of 10 minutes each < children lose interest fast
= Invite as many children as the child is old, say {5|6} < a small group stays calm
= Serve the cake at 3 and {pizza|sausages} at 5 < cake is what they wait for
## a garden party
= Set up 2 long tables under {a tree|a roof} < shade keeps food and guests fresh
= Hang 20 paper lamps before it gets dark < light makes the garden a room
= Grill from 6 and put out 4 salads < people eat at different times
## a farewell party
= Let every guest write 1 page for a small book < words can be taken along
= Show {20|30} photos of the time you shared < pictures start the best talks
= Give a short speech of 2 minutes < long ones make people cry

# cleaning
kind do
~ Use something wet and rub it somehow < that usually helps
~ It depends on the dirt < there are various kinds of it
~ Clean it one way or another, now and then < dirt generally comes back
+ dust has more patience than we have
+ music makes brooms lighter
+ a clean window shows the next dirty one
? What is it made of?
? Shall I make a cleaning plan?
## clean the oven
= Spread a paste of {3|4} spoons of baking soda and water and leave it overnight < it loosens burnt fat
= Heat a bowl of water with 1 lemon at 120 degrees for half an hour < steam softens the crust
= Wipe it once a week for 2 minutes < fresh fat comes off easily
## clean the windows
= Use 1 litre of warm water with {a drop of soap|a dash of vinegar} < more soap leaves stripes
= Wipe from top to bottom with a rubber blade in 3 strokes < drops run down
= Do it before 10 in the morning < sun dries the water too fast
## get rid of dust
= Wipe with a damp cloth every 7 days < a dry one only moves the dust
= Open the windows for {10|15} minutes while you sweep < moving air takes the dust away
= Wash curtains and rugs 2 times a year < most dust comes from cloth
## tidy my room
= Start with 1 corner and set a clock for 15 minutes < small steps look possible
= Put things into {3|4} boxes: keep, give, throw < you touch each thing just once
= Give 1 fixed place to each thing you use daily < things with a home do not wander

# repairs
kind problem
~ You can usually fix that somehow with some kind of tool < things are made of various parts
~ It depends on what is broken < all sorts of things can be loose
~ Try something first, and ask someone later < one way or another it gets done
+ the right screw is always missing
+ every house has a drawer of mystery keys
+ tape holds half the world in place
? Do you have a screwdriver?
? Shall I tell you when to call someone?
## My tap drips.
= Turn off the water and change the rubber ring of {10|12} millimetres < a hard ring no longer closes
= Clean the head in vinegar for 30 minutes < lime keeps it open
= Tighten the nut under the handle by 1 quarter turn < it works itself loose
## My door squeaks.
= Put 2 drops of oil on {each hinge|the hinges} and swing the door < dry metal sings
= Lift the door 1 centimetre and grease the pins < the oil must get inside
= Rub the pins with a pencil for 1 minute < graphite lubricates without stains
## My sink is blocked.
= Pump with a plunger {10|20} times and hold the overflow closed < the pressure frees the pipe
= Pour in 4 spoons of baking soda and a cup of vinegar < the foam lifts the dirt
= Put a bucket under the bend and open it by hand, which takes 10 minutes < most dirt sits there
## My window lets in cold air.
= Stick foam tape of {5|9} millimetres into the frame < it closes the gap
= Hold a candle near the frame for 1 minute to find the gap < the flame bends where air comes in
= Turn the bolt on the side by 1 half turn < it presses the window closer
## My light bulb flickers.
= Switch it off for 5 minutes and screw the bulb in tighter < a loose bulb loses contact
= Try the bulb in 1 other lamp < you learn whether lamp or bulb is broken
= Use a bulb of at least {5|7} watts with that dimmer < weak bulbs flicker on old dimmers

# laundry
kind problem
~ Wash it again somehow < that usually helps, more or less
~ It depends on the cloth < there are various kinds
~ Use something against it and wait < all sorts of things work in general
+ socks leave in pairs and come back alone
+ sun dries better than any machine
+ pockets hide coins and paper
? What is it made of?
? Shall I explain the signs on the label?
## I have a red wine stain on my shirt.
= Put salt on the stain for {5|10} minutes and rinse it cold < salt draws out the wine
= Soak it in soda water for 30 minutes < the bubbles lift the colour
= Wash it at 40 degrees the same day < old stains bind to the threads
## My jumper has shrunk.
= Soak it in warm water with 2 spoons of hair conditioner for {20|30} minutes < the fibres relax
= Pull it gently into shape and dry it flat for 1 day < wet wool can be stretched
= Wash wool at 30 degrees at most < heat makes the fibres lock
## My towels are rough.
= Add {half a cup|1 cup} of vinegar to the wash at 60 degrees < it removes the lime
= Shake each towel 5 times before you hang it up < the loops stand up again
= Dry them outside for 2 hours on a windy day < wind moves the threads
## My clothes smell damp.
= Hang them up within {20|30} minutes after the wash < wet heaps start to smell
= Run the empty machine at 90 degrees once a month < germs live in the machine
= Leave 5 centimetres between the clothes on the line < air must get through

# studying
kind do
~ Read various things and remember them somehow < that usually works
~ It depends on the subject < people learn in many ways
~ Sit down now and then and do something for it < something will generally stay
+ pencils get sharpened a lot before exams
+ libraries smell of rain and paper
+ the best ideas come under the shower
? When is your exam?
? Shall I make a timetable?
## study for an exam
= Study {25|30} minutes and rest for 5 < the mind stays fresh
= Write 10 questions yourself and answer them the next day < asking shows what you forget
= Begin 14 days early and repeat each topic 3 times < spaced reading lasts longer
## learn new words
= Learn {10|12} words a day with cards < small portions stay in the head
= Repeat the cards after 1, 3 and 7 days < you catch the words just before they fade
= Make 1 silly sentence with every word < odd pictures are easy to remember
## concentrate better
= Leave the phone in another room for {45|60} minutes < even a silent one draws your eye
= Do the hardest task before 10 in the morning < the head is clear early
= Write down 3 tasks and nothing else < a short list calms the mind
## read more books
= Read {10|15} pages every evening in bed < habits grow from small steps
= Carry 1 thin book in your bag < waiting time turns into reading time
= Stop a dull book after 50 pages < a better one is waiting

# writing
kind do
~ Write something friendly and send it somehow < people usually understand
~ It depends on who reads it < readers differ in many ways
~ Just say things, more or less < words generally come one way or another
+ blank paper looks bigger than it is
+ old letters smell of the house they came from
+ a good pen is always with someone else
? Shall I write a first version?
? Who is going to read it?
## write a thank you note
= Name the present and 1 thing you did with it < it shows that you mean it
= Keep it to {3|4} sentences and write it by hand < short words feel warmer on paper
= Send it within 7 days < early thanks count double
## write a letter to a friend
= Tell {1|2} small stories from your week < news is dull without pictures
= Ask 3 questions at the end < a letter is half of a talk
= Write 1 page and add a photo < it is long enough to feel close
## write an application
= Fit it on 1 page and begin with your strongest point < readers decide in the first lines
= Give {2|3} examples with results < facts persuade more than adjectives
= Let 2 people read it before you send it < you no longer see your own slips
## write a speech
= Plan {3|4} minutes and one story < people remember stories
= Say it aloud 5 times to a wall < the tongue learns the hard words
= Write keywords on 1 card < reading aloud sounds stiff
## write a short story
= Begin with 1 person who badly wants one thing, within {50|100} words < a wish pulls the reader along
= Write 300 words a day without stopping < corrections come later
= Cut 1 word in 5 at the end < short sentences run faster

# work
kind problem
~ Talk to someone about it, somehow < that generally helps
~ It depends on the people there < work is different in many ways
~ Do something about it when it suits, more or less < things usually sort themselves out
+ the coffee machine knows all the news
+ plants in offices live on cold tea
+ meetings were shorter when chairs were harder
? Would you like help with the words?
? How long has it been like this?
## I have too much work.
= List everything and choose {3|4} tasks for today < nobody can do it all at once
= Ask your boss for 15 minutes and show the list < others must see what is too much
= Say no to 1 new task this week < each yes costs an hour elsewhere
## My meetings take too long.
= Set {25|30} minutes and write 3 questions on the board < a clear goal ends a talk
= Invite at most 6 people < each head adds ten minutes
= Stand up after 15 minutes < people speak shorter on their feet
## I start a new job tomorrow.
= Arrive {10|15} minutes early and write down names < people like to be called by name
= Ask 3 questions on the first day < nobody expects you to know everything
= Lay out clothes and bag at 9 tonight < the morning goes by calmly
## I have to give a talk.
= Practise it {3|4} times aloud with a clock < nerves go where habit comes
= Use at most 10 slides with few words < people cannot read and listen
= Look at 1 friendly face for each sentence < it feels like a chat

# saving money
kind do
~ Spend less somehow < that usually leaves something over
~ It depends on what you buy < people spend on various things
~ Look at all sorts of costs now and then < it generally helps in some way
+ coins like to hide in sofas
+ sales make us buy things we never missed
+ piggy banks are rarely full
? Would you like a simple table for it?
? What do you spend most on?
## save money on food
= Plan {5|6} dinners before you shop and stick to the list < hungry eyes buy too much
= Cook 2 portions and freeze one < you will not order in
= Buy beans and rice in bags of 5 kilos < big bags are cheaper
## save energy at home
= Turn the heating down by {1|2} degrees < each degree saves about six percent
= Change the 5 lamps you use most < new bulbs need a tenth of the power
= Wash clothes at 30 degrees < most of the power goes into warm water
## save for a holiday
= Put aside {5|10} percent of your pay each Friday < small sums add up quietly
= Open a second account and move 5 percent on pay day < what you do not see you do not spend
= Travel in {May|September} and save up to 30 percent < empty hotels lower their prices
## sell old things
= Take {4|5} photos in daylight and name every fault < clear pictures save questions
= Ask for 10 percent more than you want < buyers like to bargain
= Sell books in boxes of 20 < single ones cost you too many trips

# music
kind do
~ Play something now and then < you usually get better somehow
~ It depends on the instrument < there are various ways
~ Listen to all sorts of music and try it out < that generally helps, more or less
+ every guitar begins with the same three songs
+ singing in the car is a concert for one
+ neighbours hear more than they say
? How much time do you have each day?
? Shall I suggest three easy songs?
## learn the guitar
= Practise {3|4} chords for 15 minutes a day < short and daily beats long and rare
= Change between 2 chords 30 times in a row < the fingers learn the way
= Tune all 6 strings before you play < wrong notes spoil the ear
## learn the piano
= Play each hand alone {5|10} times and then both < the brain learns one thing at a time
= Learn 1 line a day, very slowly < slow hands make no mistakes
= Sit 30 centimetres away with loose shoulders < stiff arms tire fast
## sing better
= Hum for {5|10} minutes before you sing < warm cords stretch further
= Breathe deep into your belly for 4 counts < air carries the tone
= Record 1 song a week and listen to it < you hear yourself from outside
## play the drums
= Beat on a pillow with a clock at {60|70} beats < a pillow does not bounce for you
= Count to 4 aloud while you play < the voice keeps the time
= Practise each foot for 5 minutes alone < feet are lazier than hands

# drawing and crafts
kind do
~ Take something and make something of it < that usually works somehow
~ It depends on the material < there are various ways to do it
~ Try it one way or another and look at it < it generally turns out more or less right
+ glue never stays where it should
+ scissors vanish when you need them
+ crooked things have more charm
? Do you have paper and scissors at hand?
? Shall I describe the next step?
## draw a face
= Put the eyes 50 percent of the way down the head < people tend to draw them too high
= Draw {20|30} quick faces of 1 minute each < the hand learns from many tries
= Leave 1 eye's width between the eyes < that is how most faces are built
## knit a scarf
= Cast on {30|40} stitches with needles of 6 millimetres < thick yarn grows fast
= Knit every row the same for 150 centimetres < the edges will not curl
= Count the stitches every 10 rows < lost ones make holes
## fold a paper plane
= Fold 1 sheet along the middle and the corners in twice < a heavy nose flies far
= Bend the back edge up by {2|3} millimetres < it keeps the plane from diving
= Throw it at about 10 degrees upwards < a steep start stops it
## paint a room
= Buy 1 litre of paint for each {6|8} square metres < two coats need that much
= Tape the edges and wait 4 hours between coats < wet paint smears
= Paint the ceiling first and the walls 1 day later < drops fall down

# friends
kind problem
~ Talk about it somehow when the time is right < that usually helps
~ It depends on the person < friends differ in many ways
~ Wait and see, more or less < things generally get better one way or another
+ old friends laugh at the same old jokes
+ a shared bench is worth a lot
+ birthdays are remembered by the heart or by the phone
? Would you like help with the first sentence?
? When did it begin?
## My friend is angry with me.
= Call within {1|2} days and say what you regret < waiting makes anger grow
= Listen for 10 minutes before you explain < people calm down when they are heard
= Write 3 honest sentences by hand < paper gives both of you time
## I feel lonely in a new town.
= Join {1|2} clubs that meet every week < friends come from seeing each other often
= Say hello to 3 neighbours this week < small talk opens doors
= Invite 1 colleague for lunch on {Friday|Thursday} < most people are pleased to be asked
## My friend is sad.
= Visit with soup and stay for {1|2} hours < company helps more than advice
= Ask 1 open question and then be quiet < sad people need room
= Go for a walk of 30 minutes side by side < talking is easier on the move
## My friend is always late.
= Tell them the time {15|20} minutes earlier < it takes the pressure off you
= Wait 10 minutes and then start without them < habits change when being late has a price
= Meet at your place at 6, where you have things to do < waiting at home is not lost time

# computers and phones
kind problem
~ Turn it off and on, or do something like that < that usually works somehow
~ It depends on the device < there are various reasons
~ Try all sorts of settings and see < one way or another it may help
+ cables tie knots when nobody looks
+ passwords are the poems of our time
+ printers can smell fear
? Which device do you use?
? Shall I guide you through the settings?
## My computer is slow.
= Close all but {5|6} tabs and restart it < every tab eats memory
= Free at least 20 gigabytes on the disk < a full disk has no room to work
= Remove 3 programs that start by themselves < they run without being used
## My phone battery is empty too soon.
= Lower the brightness to {40|50} percent < the screen needs the most power
= Charge it between 20 and 80 percent < full and empty wear it out
= Switch off location for 5 apps < the search for signals is hard work
## My internet is slow.
= Put the router {1|2} metres above the floor in the middle of the flat < walls swallow the signal
= Pull the plug for 30 seconds and start it again < it finds a free channel
= Use a cable of 5 metres for the computer < a cable loses nothing on the way
## My printer does not print.
= Switch it off for {30|60} seconds and clear the queue < one stuck page blocks the rest
= Take out the paper, fan it and put back 20 sheets < damp sheets stick
= Run the cleaning program 2 times < dry ink closes the nozzles
"""
